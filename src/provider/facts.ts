/**
 * What scheduling asks of a running provider, at hand at any moment: limits, needs of labels, images, zones. Answers come
 * from memory and are refreshed behind; whoever depends on them is told of a change. An old answer outlives a failed refresh.
 */
import type { Resources } from '../base/resources.ts';
import type { PoolLabelConfig, ProviderConfig } from '../config/model.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type { Adapter } from '../driver-kit/contract.ts';
import { Backoff } from '../base/backoff.ts';
import { asProviderError, type ProviderError } from '../driver-kit/errors.ts';
import type { Logger } from '../base/logger.ts';
import { lessForeignUse } from './quota.ts';
import { Refresher } from './refresher.ts';
import type { Trouble } from '../base/trouble.ts';

export interface LabelFacts {
  /** null: not known yet. */
  readonly available: boolean | null;
  /** Why it is not available, or not known. */
  readonly reason: string;
  /** What one node takes; null: not known yet. */
  readonly need: Resources | null;
}

interface LabelEntry extends LabelFacts {
  available: boolean | null;
  reason: string;
  need: Resources | null;
  /** Somebody wants nodes of it: only then its image is looked up, as late as possible. */
  wanted: boolean;
  /** Will not work until the configuration changes. */
  permanent: boolean;
  busy: boolean;
  /** Monotonic milliseconds of the next look. */
  dueMs: number;
  /** Since when it could not be found out, or was found missing; monotonic milliseconds. */
  failingSinceMs: number | null;
  readonly backoff: Backoff;
}

export interface FactsDeps {
  /** Its calls end within bounds of their own (guarded-adapter.ts). */
  readonly adapter: Adapter;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly isKnownNode: (nodeId: string) => boolean;
  readonly onChange: () => void;
}

const cacheMs = 300_000;
/** How often labels are looked through for those whose time has come. */
const tickMs = 1000;

export class ProviderFacts {
  private readonly deps: FactsDeps;
  private readonly config: ProviderConfig;
  private readonly stopping = new AbortController();
  private readonly labels = new Map<PoolLabelConfig, LabelEntry>();
  private knownZones: readonly (string | null)[] | null = null;
  private knownLimits: Resources | null = null;
  private readonly cloud: { readonly quota: Refresher; readonly zones: Refresher };
  private tickTimer: Timer | null = null;

  constructor(deps: FactsDeps, config: ProviderConfig) {
    this.deps = deps;
    this.config = config;
    const refresher = (what: string, work: () => Promise<void>) =>
      new Refresher(
        {
          work,
          runtime: deps.runtime,
          signal: this.stopping.signal,
          onFailure: (error) => this.warn(what, error),
        },
        { what, intervalMs: cacheMs },
      );
    this.cloud = {
      quota: refresher('The quota could not be read', () => this.readLimits()),
      zones: refresher('The availability zones could not be read', () => this.readZones()),
    };
  }

  /** Asks for everything that the configuration names; resolves when the zones are known, the rest comes behind. */
  async start(): Promise<void> {
    await this.readZones();
    this.cloud.zones.later();
    this.cloud.quota.now();
    for (const pool of this.config.pools.values()) {
      for (const label of pool.labels.values()) this.look(label, this.entry(label));
    }
  }

  stop(): void {
    this.stopping.abort(new Error('the provider stops'));
    this.tickTimer?.cancel();
    this.cloud.quota.stop();
    this.cloud.zones.stop();
  }

  /** Limits of the account less what others use there; null: not known yet. */
  limits(): Resources | null {
    return this.knownLimits;
  }

  zones(): readonly (string | null)[] | null {
    return this.knownZones;
  }

  label(label: PoolLabelConfig): LabelFacts {
    const entry = this.entry(label);
    if (!entry.wanted) {
      entry.wanted = true;
      if (isOpen(entry)) this.tickSoon();
    }
    this.look(label, entry);
    return entry;
  }

  errorLabels(): string[] {
    return [...this.labels].filter(([, entry]) => entry.permanent).map(([label]) => label.name);
  }

  invalidateQuota(): void {
    this.cloud.quota.soon();
  }

  /** A launch has failed: the zones may be others by now. */
  launchFailed(error: ProviderError): void {
    if (error.code === 'quota') this.invalidateQuota();
    else if (error.code !== 'timeout' && error.code !== 'keyscan') this.cloud.zones.soon();
  }

  /** Questions that the cloud has not answered the last time. */
  *troubles(): Iterable<Trouble> {
    for (const { what, failure } of [this.cloud.quota, this.cloud.zones]) {
      if (!failure) continue;
      yield {
        key: what,
        severity: 'warning',
        what,
        why: asProviderError(failure.error).message,
        sinceMs: failure.sinceMs,
        hint: 'the question is repeated; check the cloud and its credentials',
      };
    }
    for (const [{ name, image }, entry] of this.labels) {
      if (entry.failingSinceMs === null) continue;
      yield {
        key: `label ${name}`,
        severity: 'warning',
        what: `label ${name} ${entry.permanent ? 'can never work here' : 'is not available'}`,
        why: entry.reason,
        sinceMs: entry.failingSinceMs,
        hint: entry.permanent
          ? `mend the label in the configuration of provider ${this.config.name}`
          : `it is looked up again and again; is image ${image?.name ?? '?'} there, may the account see it?`,
      };
    }
  }

  private warn(message: string, error: unknown, fields: object = {}): void {
    if (this.stopping.signal.aborted) return;
    this.deps.log.warn({ provider: this.config.name, ...fields, err: error }, message);
  }

  private async readLimits(): Promise<void> {
    const { adapter, isKnownNode } = this.deps;
    const { signal } = this.stopping;
    const limits = await adapter.quotaLimits(signal);
    const limited = Object.values(limits).some((limit) => Number.isFinite(limit));
    const instances = limited ? await adapter.listInstances(signal) : [];
    const left = lessForeignUse(limits, instances, this.config.name, isKnownNode);
    const changed = JSON.stringify(left) !== JSON.stringify(this.knownLimits);
    this.knownLimits = left;
    if (changed) this.deps.onChange();
  }

  private async readZones(): Promise<void> {
    const zones = await this.deps.adapter.availabilityZones(this.stopping.signal);
    const changed = JSON.stringify(zones) !== JSON.stringify(this.knownZones);
    this.knownZones = zones;
    if (changed) this.deps.onChange();
  }

  private entry(label: PoolLabelConfig): LabelEntry {
    let entry = this.labels.get(label);
    if (!entry) {
      const backoff = new Backoff({ runtime: this.deps.runtime, firstMs: tickMs, mostMs: 60_000 });
      const nothing = { available: null, reason: '', need: null };
      entry = { ...nothing, wanted: false, permanent: false, busy: false, dueMs: 0, failingSinceMs: null, backoff };
      this.labels.set(label, entry);
    }
    return entry;
  }

  private look(label: PoolLabelConfig, entry: LabelEntry): void {
    if (entry.busy || entry.permanent || this.stopping.signal.aborted) return;
    if (this.deps.runtime.monotonicMs() < entry.dueMs) return;
    entry.busy = true;
    void this.refresh(label, entry);
  }

  private async refresh(label: PoolLabelConfig, entry: LabelEntry): Promise<void> {
    const { adapter, runtime } = this.deps;
    const before = JSON.stringify([entry.available, entry.need, entry.reason]);
    let pauseMs = cacheMs;
    try {
      entry.need ??= await adapter.quotaForLabel(label, this.stopping.signal);
      if (label.image?.kind !== 'cloud') entry.available = true;
      else if (entry.wanted) entry.available = await adapter.labelReady(label, this.stopping.signal);
      else pauseMs = 0;
      entry.reason = entry.available === false ? `image ${label.image?.name ?? '?'} is not there at the provider` : '';
      entry.backoff.reset();
      if (entry.available === false) entry.failingSinceMs ??= runtime.monotonicMs();
      else entry.failingSinceMs = null;
    } catch (error) {
      entry.failingSinceMs ??= runtime.monotonicMs();
      const failure = asProviderError(error);
      entry.permanent = failure.code === 'permanent';
      if (entry.permanent) {
        entry.available = false;
        entry.need = {};
      }
      if (entry.available !== true) entry.reason = failure.message;
      pauseMs = entry.backoff.nextMs();
      this.warn('A label could not be checked', failure, { label: label.name });
    } finally {
      entry.busy = false;
      const checkMs = entry.available === false ? (adapter.imageCheckMs ?? cacheMs) : cacheMs;
      entry.dueMs = runtime.monotonicMs() + Math.min(pauseMs, checkMs);
      if (isOpen(entry)) this.tickSoon();
      if (JSON.stringify([entry.available, entry.need, entry.reason]) !== before) this.deps.onChange();
    }
  }

  /** Nobody may be asking for a label that is not there: its return must be noticed all the same. */
  private tickSoon(): void {
    if (this.tickTimer || this.stopping.signal.aborted) return;
    const { runtime, adapter } = this.deps;
    this.tickTimer = runtime.setBackgroundTimer(tickMs, () => {
      this.tickTimer = null;
      const soonest = runtime.monotonicMs() + (adapter.imageCheckMs ?? cacheMs);
      let waiting = false;
      for (const [label, entry] of this.labels) {
        if (!isOpen(entry)) continue;
        waiting = true;
        // The interval may have become shorter since.
        entry.dueMs = Math.min(entry.dueMs, soonest);
        this.look(label, entry);
      }
      if (waiting) this.tickSoon();
    });
  }
}

/** Is there still something to be found out, or hoped for? */
function isOpen({ permanent, need, wanted, available }: LabelEntry): boolean {
  return !permanent && (need === null || (wanted && available !== true));
}
