/**
 * One provider while it is configured: starting -> running -> idle -> stopped, or failed and tried again for ever. One that
 * cannot start is as if absent and disturbs no other (docs/decisions/0016-reload-beside-the-old.md).
 */
import type { Resources } from '../base/resources.ts';
import type { PoolLabelConfig, ProviderConfig } from '../config/model.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type {
  Adapter,
  CloudResource,
  ExternalId,
  Instance,
  Inventory,
  LaunchSpec,
  ListedInstance,
} from '../driver-kit/contract.ts';
import { Backoff } from '../base/backoff.ts';
import { Calls } from './calls.ts';
import { asProviderError, ProviderError } from '../driver-kit/errors.ts';
import { type LabelFacts, ProviderFacts } from './facts.ts';
import { callBounds, guarded } from './guarded-adapter.ts';
import { HostKeyScanner, type ScanOptions, type ScanTarget } from '../driver-kit/host-keys/scanner.ts';
import { SharedListing } from './listing.ts';
import type { Logger } from '../base/logger.ts';
import type { MachineView } from './machine.ts';
import { providerTroubles } from './provider-troubles.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type LaunchMachineOptions, type MachineOptions, MachineRunner } from './runner.ts';
import type { Trouble } from '../base/trouble.ts';

export type ProviderState = 'starting' | 'running' | 'failed' | 'idle' | 'stopped';

export interface ProviderDeps {
  /** Asked again for each try to start. */
  readonly createAdapter: () => Promise<Adapter>;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Does ZooKeeper know a node with that id? */
  readonly isKnownNode: (nodeId: string) => boolean;
  /** Shared with an earlier configuration of the provider that still finishes; default: one of its own. */
  readonly limiter?: RateLimiter;
}

interface Parts {
  readonly adapter: Adapter;
  readonly runner: MachineRunner;
  readonly listing: SharedListing;
  readonly facts: ProviderFacts;
  readonly limiter: RateLimiter;
}

const unknownLabel: LabelFacts = { available: null, reason: 'the provider is not running', need: null };

export class Provider {
  readonly name: string;
  readonly config: ProviderConfig;
  private readonly deps: ProviderDeps;
  private readonly backoff: Backoff;
  private readonly scanner: HostKeyScanner;
  private readonly calls: Calls;
  private readonly stopping = new AbortController();
  private readonly listeners = new Set<() => void>();
  private parts: Parts | null = null;
  private holds = 0;
  private readonly unheld: (() => void)[] = [];
  private retryTimer: Timer | null = null;
  private stopped: Promise<void> | null = null;
  private currentState: ProviderState = 'starting';
  private currentReason = 'it is starting';
  /** Monotonic milliseconds; of `failed` since the first failure in a row. */
  private stateSinceMs: number;
  private retryAtMs: number | null = null;

  constructor(deps: ProviderDeps, config: ProviderConfig) {
    const { runtime } = deps;
    this.deps = deps;
    this.config = config;
    this.name = config.name;
    this.backoff = new Backoff({ runtime, firstMs: 500, mostMs: 60_000 });
    this.scanner = new HostKeyScanner(runtime);
    this.calls = new Calls(runtime);
    this.stateSinceMs = runtime.monotonicMs();
  }

  get state(): ProviderState {
    return this.currentState;
  }

  /** In words, why it is in that state; '' while it runs. */
  get stateReason(): string {
    return this.currentReason;
  }

  /** It can launch and delete; whether it should take anything new, see `state`. */
  get running(): boolean {
    return this.state === 'running' || this.state === 'idle';
  }

  /** What a failed attempt left may still be going when the next one begins. */
  get attemptsHaveOwnNames(): boolean {
    return this.parts?.adapter.attemptsHaveOwnNames === true;
  }

  get inventory(): Inventory | undefined {
    return this.parts?.adapter.inventory;
  }

  get adapter(): Adapter | undefined {
    return this.parts?.adapter;
  }

  /** Any of the synchronous answers may have changed. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Returns at once; `onChange` tells when it runs. */
  start(): void {
    void this.tryStart();
  }

  /** Finishes what it has; is given nothing new. */
  idle(): void {
    if (this.state === 'running') this.setState('idle', 'its configuration was replaced');
  }

  /** Lets its machines finish; whoever cannot wait for that aborts their signals first. */
  stop(): Promise<void> {
    this.stopped ??= this.shutDown();
    return this.stopped;
  }

  // --- what scheduling asks; answered from memory

  /** Limits of the account less what others use there; null: not known yet. */
  limits(): Resources | null {
    return this.parts?.facts.limits() ?? null;
  }

  labelStatus(label: PoolLabelConfig): LabelFacts {
    return this.parts?.facts.label(label) ?? unknownLabel;
  }

  zones(): readonly (string | null)[] | null {
    return this.parts?.facts.zones() ?? null;
  }

  /** Labels that can never work with this configuration. */
  errorLabels(): string[] {
    return this.parts?.facts.errorLabels() ?? [];
  }

  invalidateQuota(): void {
    this.parts?.facts.invalidateQuota();
  }

  // --- machines

  /** It does not stop before the returned function is called: a launch has several attempts. */
  hold(): () => void {
    this.holds++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.holds === 0) for (const resolve of this.unheld.splice(0)) resolve();
    };
  }

  get launching(): number {
    return this.parts?.runner.launching ?? 0;
  }

  get deleting(): number {
    return this.parts?.runner.deleting ?? 0;
  }

  /** What each launch and deletion waits for, and since when. */
  machines(): MachineView[] {
    return this.parts?.runner.machines() ?? [];
  }

  /** What does not go as it should, for people. */
  troubles(): Trouble[] {
    return providerTroubles({
      runtime: this.deps.runtime,
      name: this.name,
      ratePerSecond: this.config.ratePerSecond,
      state: this.currentState,
      reason: this.currentReason,
      sinceMs: this.stateSinceMs,
      retryAtMs: this.retryAtMs,
      calls: this.calls,
      ...this.parts,
    });
  }

  async launch(spec: LaunchSpec, options: LaunchMachineOptions): Promise<Instance> {
    const { runner, facts } = this.need();
    try {
      return await runner.launch(spec, options);
    } catch (error) {
      if (error instanceof ProviderError) facts.launchFailed(error);
      throw error;
    }
  }

  /** Not found is success. */
  async remove(externalId: ExternalId, options: MachineOptions): Promise<void> {
    await this.need().runner.remove(externalId, options);
  }

  scanHostKeys(target: ScanTarget, options: ScanOptions): Promise<readonly string[]> {
    return this.scanner.scan(target, options);
  }

  /** The host keys of an instance that was just launched could not be read. Never rejects: that failure is what counts. */
  async unreachable(externalId: ExternalId, signal: AbortSignal): Promise<void> {
    try {
      await this.parts?.adapter.unreachable?.(externalId, signal);
    } catch (error) {
      if (!signal.aborted)
        this.deps.log.warn({ provider: this.name, externalId, err: error }, 'Noting an unreachable instance failed');
    }
  }

  async consoleLog(label: PoolLabelConfig, externalId: ExternalId, signal: AbortSignal): Promise<string | null> {
    return (await this.need().adapter.consoleLog?.(label, externalId, signal)) ?? null;
  }

  // --- leaks

  /** Everything in the cloud that carries this provider's mark, or might. */
  async listResources(signal: AbortSignal): Promise<readonly CloudResource[]> {
    return this.need().adapter.listResources(signal);
  }

  async listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    return this.need().adapter.listInstances(signal);
  }

  async deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void> {
    const { adapter, limiter } = this.need();
    await limiter.take(signal);
    await adapter.deleteResource(resource, signal);
  }

  // --- life cycle

  private need(): Parts {
    if (this.parts) return this.parts;
    throw new ProviderError('unknown', `provider ${this.name} is not running: ${this.stateReason}`);
  }

  private async tryStart(): Promise<void> {
    const { runtime, log } = this.deps;
    const { signal } = this.stopping;
    this.retryAtMs = null;
    let adapter: Adapter | null = null;
    let parts: Parts | null = null;
    try {
      const raw = await this.calls.bounded('loading the driver', callBounds.start, signal, () =>
        this.deps.createAdapter(),
      );
      adapter = guarded(raw, this.calls);
      await adapter.start(signal);
      parts = this.assemble(adapter);
      await parts.facts.start();
      signal.throwIfAborted();
      this.parts = parts;
      this.backoff.reset();
      this.setState('running', '');
    } catch (error) {
      parts?.facts.stop();
      if (adapter) await this.release(adapter);
      if (signal.aborted) return;
      const delayMs = this.backoff.nextMs();
      this.retryAtMs = runtime.monotonicMs() + delayMs;
      log.debug({ provider: this.name, err: error, delayMs }, 'A provider will be started again');
      this.setState('failed', `it could not be started: ${asProviderError(error).message}`);
      this.retryTimer = runtime.setBackgroundTimer(delayMs, () => void this.tryStart());
    }
  }

  private assemble(adapter: Adapter): Parts {
    const { config } = this;
    const { runtime, log, isKnownNode } = this.deps;
    const onError = (error: unknown) => log.warn({ provider: this.name, err: error }, 'Listing instances failed');
    const listing = new SharedListing(
      { list: (signal) => adapter.listInstances(signal), runtime, onError },
      { intervalMs: adapter.listingIntervalMs ?? 1000 },
    );
    const limiter = this.deps.limiter ?? new RateLimiter(config.ratePerSecond, runtime);
    limiter.setRate(config.ratePerSecond);
    const runner = new MachineRunner(
      { adapter, runtime, log, listing, limiter },
      { providerName: this.name, stepTimeoutMs: callBounds.step },
    );
    const onChange = () => this.changed();
    const facts = new ProviderFacts({ adapter, runtime, log, isKnownNode, onChange }, config);
    return { adapter, runner, listing, facts, limiter };
  }

  private async shutDown(): Promise<void> {
    this.retryTimer?.cancel();
    const { parts } = this;
    if (!parts) this.stopping.abort(new Error(`provider ${this.name} stops`));
    else {
      if (this.state === 'running') this.setState('idle', 'it is being stopped');
      if (this.holds > 0) await new Promise<void>((resolve) => this.unheld.push(resolve));
      await parts.runner.drained();
      parts.listing.stop();
      parts.facts.stop();
    }
    this.stopping.abort(new Error(`provider ${this.name} stops`));
    this.parts = null;
    if (parts) await this.release(parts.adapter);
    this.setState('stopped', 'it was stopped');
  }

  private async release(adapter: Adapter): Promise<void> {
    try {
      await adapter.stop();
    } catch (error) {
      this.deps.log.warn({ provider: this.name, err: error }, 'The driver could not be stopped cleanly');
    }
  }

  private setState(state: ProviderState, reason: string): void {
    // Once per change of the reason, not once per try.
    if (state === this.currentState && reason === this.currentReason) return;
    if (state !== this.currentState) this.stateSinceMs = this.deps.runtime.monotonicMs();
    this.currentState = state;
    this.currentReason = reason;
    const fields = { provider: this.name, state, ...(reason === '' ? {} : { reason }) };
    if (state === 'failed') this.deps.log.error(fields, 'A provider is not available');
    else this.deps.log.info(fields, 'A provider changed its state');
    this.changed();
  }

  private changed(): void {
    for (const listener of [...this.listeners]) {
      try {
        listener();
      } catch (error) {
        this.deps.log.error({ provider: this.name, err: error }, 'A listener of a provider failed');
      }
    }
  }
}
