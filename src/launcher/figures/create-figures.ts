/** Puts together what a launcher counts, for statsd and for Prometheus alike. */
import type { Logger } from '../../base/logger.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import type { RequestRecord } from '../../records/request.ts';
import type { Store } from '../../store/mirrors/store.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { StatsSink } from '../../telemetry/statsd.ts';
import type { Registry } from '../pools/registry.ts';
import type { AttemptListener, RequestOutcome } from '../serving/outcomes.ts';
import { LauncherMetrics } from './launcher-metrics.ts';
import { Statistics } from './statistics.ts';

export interface FiguresDeps {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly config: () => NodepoolConfig;
  readonly registry: Registry;
  readonly metrics: Metrics;
  /** null: nobody wants statistics. */
  readonly stats: StatsSink | null;
}

export interface FiguresOptions {
  readonly fqdn: string;
  readonly processId: number;
}

export interface Figures extends AttemptListener {
  readonly statistics: Statistics | null;
  ended(request: RequestRecord, outcome: RequestOutcome): void;
  leaked(provider: string, type: string): void;
  late(byMs: number): void;
}

export function createFigures(deps: FiguresDeps, { fqdn, processId }: FiguresOptions): Figures {
  const { store, runtime, log, config, registry, stats } = deps;
  const metrics = new LauncherMetrics(deps.metrics, (label) => config().labels.has(label) || registry.hasLabel(label));
  const statistics = stats
    ? new Statistics({ sink: stats, store, runtime, log, config }, { hostname: fqdn, processId })
    : null;
  return {
    statistics,
    attempted: (result, of, ms) => {
      statistics?.attempted(result, of, ms);
      metrics.attempted(result, of, ms);
    },
    ended: (request, outcome) => metrics.ended(request, outcome, runtime.nowMs()),
    leaked: (provider, type) => {
      statistics?.leaked(provider, type);
      metrics.leaked(provider, type);
    },
    late: (byMs) => metrics.late(byMs),
  };
}
