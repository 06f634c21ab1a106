/** What a launcher is given by its process. */
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type { NodepoolConfig, ProviderConfig } from '../config/model.ts';
import type { Adapter, BackingNodes } from '../driver-kit/contract.ts';
import type { Store } from '../store/mirrors/store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { StatsSink } from '../telemetry/statsd.ts';
import type { Tracer } from '../telemetry/tracing.ts';

export interface LauncherOptions {
  readonly config: NodepoolConfig;
  readonly store: Store;
  /** Makes the adapter of a provider; a rejection is a failed start of that provider alone. */
  readonly createAdapter: (config: ProviderConfig, backing: () => BackingNodes) => Promise<Adapter>;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Loggers of their own; default: `log`. */
  readonly providerLog?: (config: ProviderConfig) => Logger;
  readonly watchdogLog?: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Short and full name of this machine. */
  readonly hostname: string;
  readonly fqdn: string;
  readonly version: string;
  /** Where to report figures; null: nowhere. */
  readonly stats: StatsSink | null;
  /** Where to keep the figures that are asked for; default: nowhere. */
  readonly metrics?: Metrics;
  /** Who collects spans; default: nobody. */
  readonly tracer?: Tracer;
  readonly processId: number;
}
