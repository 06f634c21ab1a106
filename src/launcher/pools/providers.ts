/**
 * The configured providers over the time of the process. A changed provider keeps serving until its successor runs, then
 * goes idle and finishes what it has; a removed one stays for the deletion of its nodes (docs/decisions/0016-reload-beside-the-old.md).
 */
import { isDeepStrictEqual } from 'node:util';
import type { ProviderConfig } from '../../config/model.ts';
import type { Logger } from '../../base/logger.ts';
import type { Provider } from '../../provider/provider.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { InventoryReconciler } from './inventory.ts';

export interface ProvidersDeps {
  readonly store: Store;
  readonly log: Logger;
  readonly createProvider: (config: ProviderConfig) => Provider;
  readonly createInventory: (provider: Provider) => InventoryReconciler;
  /** It runs, for the first time or in the place of another one. */
  readonly onServing: (provider: Provider) => void;
  /** It has left the configuration. */
  readonly onRemoved: (name: string) => void;
  /** Something that decisions depend on has changed. */
  readonly onChange: () => void;
}

interface Entry {
  /** Serves the pools; null until the first one runs. */
  serving: Provider | null;
  /** On its way up, to take the place of `serving`. */
  starting: Provider | null;
  inventory: InventoryReconciler | null;
}

export class Providers {
  private readonly deps: ProvidersDeps;
  private readonly entries = new Map<string, Entry>();
  /** Not configured any more, with nodes left to delete. */
  private readonly leaving = new Map<string, Provider>();
  private readonly draining = new Set<Promise<void>>();
  private readonly unfollow: () => void;
  private stopped = false;

  constructor(deps: ProvidersDeps) {
    this.deps = deps;
    this.unfollow = deps.store.nodes.onChange((_id, before, after) => {
      const node = before?.node ?? after?.node;
      if (this.leaving.size > 0 && node && !isBroken(node) && node.provider !== null) this.leaveIfDone(node.provider);
    });
  }

  /** Brings the providers in line with the configuration; returns at once, they come and go by themselves. */
  apply(configs: ReadonlyMap<string, ProviderConfig>): void {
    for (const name of [...this.entries.keys()]) if (!configs.has(name)) this.remove(name);
    for (const config of configs.values()) {
      const entry = this.entries.get(config.name);
      const latest = entry?.starting ?? entry?.serving;
      if (!latest || !isDeepStrictEqual(latest.config, config)) this.start(config);
    }
  }

  /** The one that can delete nodes of that provider. */
  forDeletion(name: string): Provider | undefined {
    const provider = this.entries.get(name)?.serving ?? this.leaving.get(name);
    return provider?.running ? provider : undefined;
  }

  serving(name: string): Provider | undefined {
    return this.entries.get(name)?.serving ?? undefined;
  }

  isOurs(name: string): boolean {
    return this.entries.has(name) || this.leaving.has(name);
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }

  /** Some provider has neither come up nor failed yet. */
  get comingUp(): boolean {
    return [...this.entries.values()].some(({ serving, starting }) => !serving && starting?.state === 'starting');
  }

  *running(): Iterable<Provider> {
    for (const { serving } of this.entries.values()) if (serving?.state === 'running') yield serving;
  }

  *troubles(): Iterable<Trouble> {
    for (const { serving, starting, inventory } of this.entries.values()) {
      if (serving) yield* serving.troubles();
      for (const trouble of starting?.troubles() ?? []) {
        // The one before it goes on serving.
        yield serving
          ? {
              ...trouble,
              key: `${trouble.key} (new)`,
              what: `the new configuration of ${trouble.what}`,
              severity: 'warning',
            }
          : trouble;
      }
      if (inventory) yield* inventory.troubles();
    }
    for (const provider of this.leaving.values()) yield* provider.troubles();
  }

  /** No host is registered any more, no provider comes up. */
  async stopInventories(): Promise<void> {
    this.stopped = true;
    await Promise.allSettled([...this.entries.values()].map(async ({ inventory }) => inventory?.stop()));
  }

  /** After the inventories, and after the signals of launches and deletions have been aborted. */
  async stop(): Promise<void> {
    this.unfollow();
    const providers = [...this.entries.values()].flatMap(({ serving, starting }) => [serving, starting]);
    await Promise.allSettled([...providers, ...this.leaving.values()].map(async (provider) => provider?.stop()));
    await Promise.allSettled(this.draining);
  }

  private start(config: ProviderConfig): void {
    const { name } = config;
    const entry = this.entries.get(name) ?? { serving: null, starting: null, inventory: null };
    this.entries.set(name, entry);
    if (entry.starting) this.drain(entry.starting);
    // Back to what runs already: nothing else is to be started.
    if (entry.serving && isDeepStrictEqual(entry.serving.config, config)) {
      entry.starting = null;
      return;
    }
    const provider = this.deps.createProvider(config);
    entry.starting = provider;
    provider.onChange(() => {
      if (this.stopped) return;
      if (provider.running && entry.starting === provider) void this.replace(name, entry, provider);
      this.deps.onChange();
    });
    provider.start();
  }

  private async replace(name: string, entry: Entry, next: Provider): Promise<void> {
    const before = entry.serving;
    entry.serving = next;
    entry.starting = null;
    before?.idle();
    const { inventory } = entry;
    entry.inventory = null;
    this.deps.onServing(next);
    if (before) this.drain(before);
    // One owner of the hosts at any time: the next begins when the last has ended.
    await inventory?.stop();
    if (this.stopped || this.entries.get(name) !== entry || entry.serving !== next || !next.inventory) return;
    entry.inventory = this.deps.createInventory(next);
  }

  private remove(name: string): void {
    const entry = this.entries.get(name)!;
    this.entries.delete(name);
    if (entry.starting) this.drain(entry.starting);
    void entry.inventory?.stop();
    this.deps.log.info({ provider: name }, 'A provider has left the configuration');
    this.deps.onRemoved(name);
    if (!entry.serving) return;
    entry.serving.idle();
    const earlier = this.leaving.get(name);
    if (earlier) this.drain(earlier);
    this.leaving.set(name, entry.serving);
    this.leaveIfDone(name);
  }

  /** What is in use is still to be deleted; free stock is left to another launcher, or to the provider's return. */
  private leaveIfDone(name: string): void {
    const provider = this.leaving.get(name);
    if (!provider) return;
    if (!this.entries.has(name)) {
      for (const id of this.deps.store.nodes.byProvider(name)) {
        const node = this.deps.store.nodes.get(id)?.node;
        if (node && !isBroken(node) && !(node.state === 'ready' && node.allocatedTo === null)) return;
      }
    }
    this.leaving.delete(name);
    this.drain(provider);
  }

  private drain(provider: Provider): void {
    const done = provider
      .stop()
      .catch((error: unknown) => {
        this.deps.log.warn({ provider: provider.name, err: error }, 'A provider could not be stopped');
      })
      .finally(() => this.draining.delete(done));
    this.draining.add(done);
  }
}
