/** How long calls to clouds take and how they end, for Prometheus. */
import type { Histogram, Metrics } from './metrics.ts';

/** The histogram's labels are provider, operation and outcome. */
export function cloudCallMetrics(metrics: Metrics): Histogram {
  return metrics.histogram(
    'nodepool_cloud_call_duration_seconds',
    'Calls to clouds by operation and outcome: ok, or the kind of failure.',
    [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  );
}
