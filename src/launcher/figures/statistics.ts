/**
 * What a launcher reports to statsd, by the names of the Python Nodepool (docs: metrics). Figures about the whole tree are
 * reported by one launcher, elected at `/nodepool/elections/stats`.
 */
import { errorText } from '../../base/error-text.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { isBroken } from '../../records/broken.ts';
import { nodeStates } from '../../records/node.ts';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { leadStatistics } from '../../store/transactions/statistics-election.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { AttemptOf, AttemptResult } from '../serving/outcomes.ts';
import { type StatsSink, statsName } from '../../telemetry/statsd.ts';

export interface StatisticsDeps {
  readonly sink: StatsSink;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly config: () => NodepoolConfig;
}

export interface StatisticsOptions {
  readonly hostname: string;
  readonly processId: number;
}

const resultNames: Readonly<Record<AttemptResult, string>> = {
  ready: 'ready',
  session: 'error.zksession',
  quota: 'error.quota',
  capacity: 'error.capacity',
  network: 'error.network',
  keyscan: 'error.keyscan',
  status: 'error.status',
  timeout: 'error.servercreatetimeout',
  image: 'error.imagetimeout',
  throttled: 'error.nodepool',
  'not-found': 'error.status',
  conflict: 'error.nodepool',
  permanent: 'error.nodepool',
  unknown: 'error.unknown',
};

const leaderPauseMs = 1000;
const limitsMs = 1000;
const queuesMs = 10_000;
/** What is reported of every tenant that has a limit at all. */
const unlimitedTenant = { cores: Infinity, instances: Infinity, ram: Infinity };

export class Statistics {
  private readonly deps: StatisticsDeps;
  private readonly options: StatisticsOptions;
  private readonly abort = new AbortController();
  private readonly unfollow: () => void;
  private changed = true;
  private election: Promise<void>;
  private failure: { readonly error: unknown; readonly sinceMs: number; readonly lastMs: number } | null = null;

  constructor(deps: StatisticsDeps, options: StatisticsOptions) {
    this.deps = deps;
    this.options = options;
    const { store } = deps;
    const offs = [
      store.nodes.onChange(() => (this.changed = true)),
      store.requests.onChange(() => (this.changed = true)),
      store.components.onChange(() => (this.changed = true)),
    ];
    this.unfollow = () => offs.forEach((off) => off());
    this.election = this.standForElection();
    this.repeat(limitsMs, () => this.limits());
    this.repeat(queuesMs, () => this.queues());
  }

  async stop(): Promise<void> {
    this.unfollow();
    this.abort.abort(new Error('the launcher stops'));
    await this.election;
  }

  *troubles(): Iterable<Trouble> {
    // Who waits to be elected fails no more.
    if (!this.failure || this.deps.runtime.monotonicMs() - this.failure.lastMs > 5 * leaderPauseMs) return;
    yield {
      key: 'statistics',
      severity: 'warning',
      what: 'figures about the whole tree are not reported by this launcher',
      why: errorText(this.failure.error),
      sinceMs: this.failure.sinceMs,
      hint: 'it is tried again every second; nothing else depends on it',
    };
  }

  attempted(result: AttemptResult, of: AttemptOf, ms: number): void {
    const name = resultNames[result];
    const keys = [`nodepool.launch.${name}`, `nodepool.launch.provider.${of.provider}.${name}`];
    if (of.az !== null) keys.push(`nodepool.launch.provider.${of.provider}.${of.az}.${name}`);
    if (of.requestor !== null) keys.push(`nodepool.launch.requestor.${statsName(of.requestor)}.${name}`);
    for (const key of keys) {
      this.deps.sink.timing(key, ms);
      this.deps.sink.count(key);
    }
  }

  leaked(provider: string, type: string): void {
    this.deps.sink.count(`nodepool.provider.${provider}.leaked.${type}s`);
  }

  /** Limits by the configuration, the unlimited ones too. */
  limits(): void {
    const { providers, tenantLimits } = this.deps.config();
    for (const provider of providers.values()) {
      let most = 0;
      for (const pool of provider.pools.values()) most += Math.max(0, pool.maxServers);
      this.deps.sink.gauge(`nodepool.provider.${provider.name}.max_servers`, most);
    }
    for (const [tenant, limits] of tenantLimits) {
      for (const [resource, limit] of Object.entries({ ...unlimitedTenant, ...limits })) {
        this.deps.sink.gauge(`nodepool.tenant_limits.${statsName(tenant)}.${statsName(resource)}`, limit);
      }
    }
  }

  private repeat(everyMs: number, report: () => void): void {
    if (this.abort.signal.aborted) return;
    report();
    this.deps.runtime.setBackgroundTimer(everyMs, () => this.repeat(everyMs, report));
  }

  /** The mirrors have no queues: a change is taken in as it arrives. */
  private queues(): void {
    const prefix = `nodepool.launcher.${this.options.hostname}.zk`;
    this.deps.sink.gauge(`${prefix}.client.connection_queue`, this.deps.store.client.outstanding);
    for (const cache of ['node', 'request', 'image']) {
      for (const queue of ['event', 'playback']) this.deps.sink.gauge(`${prefix}.${cache}_cache.${queue}_queue`, 0);
    }
  }

  private async standForElection(): Promise<void> {
    const { store, runtime, log } = this.deps,
      { hostname, processId } = this.options;
    const { signal } = this.abort;
    while (!signal.aborted) {
      try {
        const identifier = `${hostname}-${processId}`;
        await leadStatistics(store, identifier, (leading) => this.lead(leading), signal);
      } catch (error) {
        if (signal.aborted) return;
        const now = runtime.monotonicMs();
        this.failure = { error, sinceMs: this.failure?.sinceMs ?? now, lastMs: now };
        log.debug({ err: error }, 'Standing for the election of the statistics again');
        await sleep(runtime, leaderPauseMs, signal).catch(() => undefined);
      }
    }
  }

  private async lead(leading: AbortSignal): Promise<void> {
    this.changed = true;
    while (!leading.aborted) {
      if (this.changed && this.deps.store.synced) {
        this.changed = false;
        this.tree();
        this.failure = null;
      }
      await sleep(this.deps.runtime, leaderPauseMs, leading).catch(() => undefined);
    }
  }

  private tree(): void {
    const gauges = new Map<string, number>();
    const prefixes = new Set(['nodepool']);
    const add = (prefix: string, state: string) => {
      prefixes.add(prefix);
      const key = `${prefix}.nodes.${state}`;
      gauges.set(key, (gauges.get(key) ?? 0) + 1);
    };
    const { store } = this.deps;
    const pools = [...store.components.pools()];
    for (const pool of pools) {
      for (const label of pool.supportedLabels) prefixes.add(`nodepool.label.${label}`);
      if (pool.providerName !== null) prefixes.add(`nodepool.provider.${pool.providerName}`);
    }
    for (const provider of this.deps.config().providers.keys()) prefixes.add(`nodepool.provider.${provider}`);
    for (const { node } of store.nodes.all()) {
      if (!node || isBroken(node)) continue;
      add('nodepool', node.state);
      for (const label of node.labels) add(`nodepool.label.${label}`, node.state);
      if (node.provider !== null) add(`nodepool.provider.${node.provider}`, node.state);
    }
    for (const prefix of prefixes) {
      for (const state of nodeStates) {
        const key = `${prefix}.nodes.${state}`;
        this.deps.sink.gauge(key, gauges.get(key) ?? 0);
      }
    }
    for (const pool of pools) {
      let count = 0;
      for (const { request } of store.requests.all()) {
        if (!isBroken(request) && request.nodeTypes.every((label) => pool.supportedLabels.includes(label))) count++;
      }
      const name = `nodepool.provider.${pool.providerName ?? ''}.pool.${pool.name ?? ''}.addressable_requests`;
      this.deps.sink.gauge(name, count);
    }
  }
}
