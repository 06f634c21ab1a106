/**
 * What this launcher has done, for Prometheus, counted as it happens: how long requests wait and launches take, how they end,
 * whether it keeps up. What is in the tree is told elsewhere, the same by every launcher.
 */
import type { RequestRecord } from '../../records/request.ts';
import type { Counter, Histogram, Metrics } from '../../telemetry/metrics.ts';
import type { AttemptOf, AttemptResult, RequestOutcome } from '../serving/outcomes.ts';

const waitSeconds = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const launchSeconds = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 120, 150, 180, 300, 600, 900];
const lagSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

export class LauncherMetrics {
  /** Of a registered pool, or of the configuration. */
  private readonly hasLabel: (label: string) => boolean;
  private readonly waits: Histogram;
  private readonly ends: Counter;
  private readonly launches: Histogram;
  private readonly leaks: Counter;
  private readonly lag: Histogram;

  constructor(metrics: Metrics, hasLabel: (label: string) => boolean) {
    this.hasLabel = hasLabel;
    this.waits = metrics.histogram(
      'nodepool_request_wait_seconds',
      'From the creation of a request to its fulfilment by this launcher; once for each of its labels.',
      waitSeconds,
    );
    this.ends = metrics.counter(
      'nodepool_requests_ended_total',
      'Requests that this launcher is done with, by outcome; once for each of their labels.',
    );
    this.launches = metrics.histogram(
      'nodepool_launch_duration_seconds',
      'Attempts of this launcher to launch a node, by outcome: ready, or the kind of failure.',
      launchSeconds,
    );
    this.leaks = metrics.counter('nodepool_leaked_resources_removed_total', 'Leaked resources that were removed.');
    this.lag = metrics.histogram(
      'nodepool_event_loop_lag_seconds',
      'How late a timer of this process was, looked at once a second.',
      lagSeconds,
    );
  }

  ended({ id, nodeTypes, createdTime }: RequestRecord, outcome: RequestOutcome, nowMs: number): void {
    // Consumers may ask for anything: their inventions would each be a series for ever.
    const labels = new Set(nodeTypes.map((label) => (this.hasLabel(label) ? label : 'unknown')));
    for (const label of labels) this.ends.add({ label, outcome });
    if (outcome !== 'fulfilled' || createdTime === null) return;
    const seconds = Math.max(0, nowMs / 1000 - createdTime);
    const priority = id.slice(0, Math.max(0, id.indexOf('-')));
    for (const label of labels) this.waits.observe({ label, priority }, seconds);
  }

  attempted(result: AttemptResult, { provider, label }: AttemptOf, ms: number): void {
    this.launches.observe({ provider, label, outcome: result }, ms / 1000);
  }

  leaked(provider: string, kind: string): void {
    this.leaks.add({ provider, kind });
  }

  late(byMs: number): void {
    this.lag.observe({}, Math.max(0, byMs) / 1000);
  }
}
