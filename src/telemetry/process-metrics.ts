/** Metrics of this process, by the names that Prometheus client libraries agree on. */
import type { Metrics } from './metrics.ts';

export function processMetrics(metrics: Metrics, version: string): void {
  const startSeconds = performance.timeOrigin / 1000;
  const gauge = (name: string, help: string, value: () => number) =>
    metrics.read(name, help, { samples: () => [[{}, value()]] });
  const counter = (name: string, help: string, value: () => number) =>
    metrics.read(name, help, { kind: 'counter', samples: () => [[{}, value()]] });

  metrics.read('nodepool_build_info', 'The version that runs; always 1.', {
    samples: () => [[{ version, node: process.versions.node }, 1]],
  });
  counter('process_cpu_seconds_total', 'CPU time of user and system together.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge('process_start_time_seconds', 'Start of the process, seconds since the epoch.', () => startSeconds);
  gauge('process_resident_memory_bytes', 'Memory that the process occupies.', () => process.memoryUsage.rss());
  gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed);
  gauge('nodejs_heap_size_total_bytes', 'Heap as the engine has it.', () => process.memoryUsage().heapTotal);
  counter(
    'nodepool_event_loop_busy_seconds_total',
    'Time in which the process was at work and could hear nobody.',
    () => {
      return performance.eventLoopUtilization().active / 1000;
    },
  );
}
