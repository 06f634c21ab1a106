/** What a daemon tells of itself beside its log: metrics, statsd, traces. */
import { systemRuntime } from '../../base/runtime.ts';
import type { Logger } from '../../base/logger.ts';
import type { Log } from '../../telemetry/log/log.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { processMetrics } from '../../telemetry/process-metrics.ts';
import { type StatsSink, statsdFromEnvironment } from '../../telemetry/statsd.ts';
import { noTracing, type Tracer } from '../../telemetry/tracing.ts';
import { version } from '../version.ts';
import { collectTraces } from './trace-export.ts';

export interface ProcessTelemetry {
  readonly metrics: Metrics;
  /** null: nobody wants figures. */
  readonly stats: StatsSink | null;
  readonly tracer: Tracer;
  close(): Promise<void>;
}

/** As the environment asks for it. `serviceName` is what traces are filed under. */
export async function openTelemetry(
  serviceName: string,
  hostname: string,
  log: Log,
  statsLog: Logger,
): Promise<ProcessTelemetry> {
  const stats = statsdFromEnvironment(process.env, systemRuntime, statsLog);
  const metrics = new Metrics();
  processMetrics(metrics, version);
  const tracing = await collectTraces(serviceName, hostname, log);
  return {
    metrics,
    stats,
    tracer: tracing ?? noTracing,
    close: async () => {
      stats?.close();
      await tracing?.close();
    },
  };
}
