/**
 * One provider while it is configured: starts its adapter, retries for ever with back-off when that fails, keeps what the
 * scheduler asks for (limits, needs, zones, images) at hand, and runs its machines. Disturbs no other provider.
 */
import type { PoolLabelConfig, ProviderConfig, Resources } from '../config/model.ts';
import type { Runtime, Timer } from '../runtime.ts';
import type { Adapter, ExternalId, Instance, Inventory, Json, LaunchSpec } from './adapter.ts';
import { withDeadline } from './deadline.ts';
import { asProviderError } from './errors.ts';
import { scanHostKeys, type ScanTarget } from './host-key-scan.ts';
import { SharedListing } from './listing.ts';
import type { Logger } from './logger.ts';
import { MachineRunner } from './runner.ts';
import { RateLimiter } from './rate-limiter.ts';

export type ProviderState = 'starting' | 'running' | 'failed' | 'idle' | 'stopped';

export interface ProviderOptions {
  readonly config: ProviderConfig;
  readonly createAdapter: () => Promise<Adapter>;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Is an instance with that node id one of ours that ZooKeeper knows? */
  readonly isKnownNode: (nodeId: string) => boolean;
  readonly listingIntervalMs?: number;
}

interface LabelFacts {
  available: boolean | null;
  reason: string;
  need: Resources | null;
  checkedMs: number;
  busy: boolean;
}

const callTimeoutMs = 60_000;
const quotaAgeMs = 300_000;
const labelAgeMs = 300_000;
/** Concurrent host key scans of one provider. */
const mostScans = 100;

export class Provider {
  readonly name: string;
  readonly config: ProviderConfig;
  state: ProviderState = 'starting';
  stateReason = 'it is starting';
  private readonly o: ProviderOptions;
  private readonly stopping = new AbortController();
  private readonly listeners = new Set<() => void>();
  private readonly labels = new Map<string, LabelFacts>();
  private parts: { adapter: Adapter; runner: MachineRunner } | null = null;
  private knownZones: readonly (string | null)[] | null = null;
  private knownLimits: Resources | null = null;
  private limitsCheckedMs = Number.NEGATIVE_INFINITY;
  private limitsBusy = false;
  private retryTimer: Timer | null = null;
  private failures = 0;
  private scans = 0;
  private scanQueue: (() => void)[] = [];

  constructor(options: ProviderOptions) {
    this.o = options;
    this.config = options.config;
    this.name = options.config.name;
  }

  /** Returns at once; `onChange` tells when the state changes. */
  start(): void {
    void this.tryStart();
  }

  get running(): boolean {
    return this.state === 'running' || this.state === 'idle';
  }

  get inventory(): Inventory | undefined {
    return this.parts?.adapter.inventory;
  }

  get adapter(): Adapter | undefined {
    return this.parts?.adapter;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Finishes what it has; starts nothing new. */
  idle(): void {
    if (this.state === 'running') this.setState('idle', 'its configuration was replaced');
  }

  async stop(): Promise<void> {
    this.retryTimer?.cancel();
    this.stopping.abort(new Error('the provider stops'));
    this.setState('stopped', 'it was stopped');
    await this.parts?.adapter.stop();
  }

  // --- what the scheduler asks; answers at once, refreshes behind

  limits(): Resources | null {
    if (this.isOld(this.limitsCheckedMs, quotaAgeMs)) void this.refreshLimits();
    return this.knownLimits;
  }

  labelStatus(label: PoolLabelConfig): { available: boolean | null; reason: string; need: Resources | null } {
    const key = `${label.name}\n${label.image?.name ?? ''}`;
    let facts = this.labels.get(key);
    if (!facts) {
      facts = { available: null, reason: '', need: null, checkedMs: Number.NEGATIVE_INFINITY, busy: false };
      this.labels.set(key, facts);
    }
    if (this.isOld(facts.checkedMs, labelAgeMs)) void this.refreshLabel(label, facts);
    return facts;
  }

  zones(): readonly (string | null)[] | null {
    return this.knownZones;
  }

  invalidateQuota(): void {
    this.limitsCheckedMs = Number.NEGATIVE_INFINITY;
    void this.refreshLimits();
  }

  // --- machines

  launch(
    spec: LaunchSpec,
    o: {
      timeoutMs: number;
      signal: AbortSignal;
      resume?: Json;
      onExternalId: (id: ExternalId, state: Json) => Promise<void>;
    },
  ): Promise<Instance> {
    return this.need().runner.launch(spec, o);
  }

  remove(externalId: ExternalId, o: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    return this.need().runner.remove(externalId, o);
  }

  async scanHostKeys(target: ScanTarget, o: { timeoutMs: number; signal: AbortSignal }): Promise<readonly string[]> {
    const started = this.o.runtime.monotonicMs();
    if (this.scans >= mostScans) await new Promise<void>((resolve) => this.scanQueue.push(resolve));
    this.scans++;
    try {
      const waited = this.o.runtime.monotonicMs() - started;
      return await scanHostKeys(target, { timeoutMs: o.timeoutMs - waited, signal: o.signal, runtime: this.o.runtime });
    } finally {
      this.scans--;
      this.scanQueue.shift()?.();
    }
  }

  async consoleLog(label: PoolLabelConfig, externalId: ExternalId, signal: AbortSignal): Promise<string | null> {
    const { adapter } = this.need();
    if (!adapter.consoleLog) return null;
    return withDeadline(this.o.runtime, callTimeoutMs, 'reading the console', signal, (s) =>
      adapter.consoleLog!(label, externalId, s),
    );
  }

  // --- inside

  private need(): { adapter: Adapter; runner: MachineRunner } {
    if (!this.parts) throw new Error(`provider ${this.name} is not running: ${this.stateReason}`);
    return this.parts;
  }

  private isOld(checkedMs: number, ageMs: number): boolean {
    return this.running && this.o.runtime.monotonicMs() - checkedMs > ageMs;
  }

  private async tryStart(): Promise<void> {
    const { runtime, log } = this.o;
    try {
      const adapter = await this.o.createAdapter();
      await this.bounded('starting', (signal) => adapter.start(signal));
      const listing = new SharedListing({
        list: (signal) => adapter.listInstances(signal),
        runtime,
        intervalMs: this.o.listingIntervalMs ?? 1000,
        timeoutMs: callTimeoutMs,
        onError: (error) => log.warn({ provider: this.name, err: error }, 'Listing instances failed'),
      });
      const limiter = new RateLimiter(this.config.ratePerSecond, runtime);
      const runner = new MachineRunner({
        adapter,
        providerName: this.name,
        runtime,
        log,
        listing,
        limiter,
        stepTimeoutMs: callTimeoutMs,
      });
      this.knownZones = await this.bounded('asking for zones', (signal) => adapter.availabilityZones(signal));
      if (this.stopping.signal.aborted) return await adapter.stop();
      this.parts = { adapter, runner };
      this.failures = 0;
      this.setState('running', '');
      void this.refreshLimits();
      for (const pool of this.config.pools.values()) for (const label of pool.labels.values()) this.labelStatus(label);
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.failures++;
      const delayMs = Math.min(60_000, 500 * 2 ** Math.min(this.failures - 1, 10)) * (0.75 + runtime.random() / 2);
      this.setState('failed', `it could not be started: ${asProviderError(error).message}`);
      this.retryTimer = runtime.setBackgroundTimer(delayMs, () => void this.tryStart());
    }
  }

  private setState(state: ProviderState, reason: string): void {
    // Once per change of the reason, not once per attempt.
    const news = state !== this.state || reason !== this.stateReason;
    this.state = state;
    this.stateReason = reason;
    if (!news) return;
    const fields = { provider: this.name, state, reason };
    if (state === 'failed') this.o.log.error(fields, 'A provider is not available');
    else this.o.log.info(fields, 'A provider changed its state');
    this.changed();
  }

  private changed(): void {
    for (const listener of [...this.listeners]) listener();
  }

  private bounded<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(this.o.runtime, callTimeoutMs, `${what} (provider ${this.name})`, this.stopping.signal, work);
  }

  /** Limits of the account less what is there and not ours. An old value stays in use when the refresh fails. */
  private async refreshLimits(): Promise<void> {
    if (this.limitsBusy || !this.parts) return;
    this.limitsBusy = true;
    const { adapter } = this.parts;
    try {
      const limits = await this.bounded('asking for the quota', (signal) => adapter.quotaLimits(signal));
      const left: Record<string, number> = { ...limits };
      if (Object.keys(limits).length > 0) {
        const instances = await this.bounded('listing instances', (signal) => adapter.listInstances(signal));
        for (const instance of instances) {
          const { nodepool_provider_name: owner, nodepool_node_id: id } = instance.metadata;
          if (owner === this.name && id !== undefined && this.o.isKnownNode(id)) continue;
          for (const [name, amount] of Object.entries(instance.resources)) if (name in left) left[name]! -= amount;
        }
      }
      this.knownLimits = left;
    } catch (error) {
      if (!this.stopping.signal.aborted)
        this.o.log.warn({ provider: this.name, err: error }, 'The quota could not be read');
    } finally {
      this.limitsBusy = false;
      this.limitsCheckedMs = this.o.runtime.monotonicMs();
      if (this.knownLimits === null)
        this.retryTimer = this.o.runtime.setBackgroundTimer(1000, () => void this.refreshLimits());
      this.changed();
    }
  }

  private async refreshLabel(label: PoolLabelConfig, facts: LabelFacts): Promise<void> {
    if (facts.busy || !this.parts) return;
    facts.busy = true;
    const { adapter } = this.parts;
    const before = JSON.stringify([facts.available, facts.need]);
    try {
      facts.need = await this.bounded('asking for the need of a label', (signal) =>
        adapter.quotaForLabel(label, signal),
      );
      const ready =
        label.image?.kind === 'cloud'
          ? await this.bounded('looking up an image', (s) => adapter.labelReady(label, s))
          : true;
      facts.available = ready;
      facts.reason = ready ? '' : `image ${label.image?.name ?? '?'} is not available at the provider`;
    } catch (error) {
      const failure = asProviderError(error);
      if (failure.code === 'permanent') {
        facts.available = false;
        facts.need = {};
        facts.reason = failure.message;
      } else {
        facts.reason = failure.message;
        if (!this.stopping.signal.aborted) {
          this.o.log.warn({ provider: this.name, label: label.name, err: failure }, 'A label could not be checked');
        }
      }
    } finally {
      facts.busy = false;
      // What is not known is asked again soon.
      const known = facts.available !== null;
      facts.checkedMs = this.o.runtime.monotonicMs() - (known ? 0 : labelAgeMs - 1000);
      if (!known) this.o.runtime.setBackgroundTimer(1100, () => this.changed());
      if (JSON.stringify([facts.available, facts.need]) !== before) this.changed();
    }
  }
}
