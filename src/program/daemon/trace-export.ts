/** Sends a daemon's traces, when the environment asks for it. */
import { systemRuntime } from '../../base/runtime.ts';
import type { Log } from '../../telemetry/log/log.ts';
import type { Tracing } from '../../telemetry/open-telemetry.ts';
import { tracingSettings } from '../../telemetry/tracing-settings.ts';
import { bounded } from '../process.ts';
import { version } from '../version.ts';

/** At the end of the process, for what is left to send. */
const lastTracesMs = 1000;

/** null: nobody wants traces; the SDK is not even loaded then. */
export async function collectTraces(serviceName: string, hostname: string, log: Log): Promise<Tracing | null> {
  const settings = tracingSettings(process.env);
  if (settings.kind === 'refused') log.warn({ reason: settings.reason }, 'There will be no traces');
  if (settings.kind !== 'otlp') return null;
  const { startTracing } = await import('../../telemetry/open-telemetry.ts');
  const tracing = startTracing(
    { exporter: settings.protocol, runtime: systemRuntime, log },
    { serviceName, version, hostname, processId: process.pid },
  );
  return {
    ...tracing,
    // What a collector does not take in time is lost, whatever it says of it.
    close: async () => {
      await bounded(systemRuntime, lastTracesMs, () => tracing.close()).catch(() => false);
    },
  };
}
