/** An adapter whose calls to the cloud are timed, each under the name of its operation. Its answers stay as they are. */
import type { Adapter } from '../driver-kit/contract.ts';
import { asProviderError, type ProviderErrorCode } from '../driver-kit/errors.ts';
import type { Runtime } from '../base/runtime.ts';

export type CallOutcome = 'ok' | ProviderErrorCode;

const operations = {
  start: 'start',
  advanceCreate: 'launch_step',
  advanceDelete: 'delete_step',
  listInstances: 'list_instances',
  listResources: 'list_resources',
  deleteResource: 'delete_resource',
  listImages: 'list_images',
  quotaLimits: 'quota_limits',
  quotaForLabel: 'quota_for_label',
  availabilityZones: 'availability_zones',
  labelReady: 'label_ready',
  consoleLog: 'console_log',
} as const satisfies Partial<Record<keyof Adapter, string>>;

export function measured(
  adapter: Adapter,
  runtime: Runtime,
  observe: (operation: string, outcome: CallOutcome, tookMs: number) => void,
): Adapter {
  const timed = new Map<string | symbol, unknown>();
  const wrap = (name: keyof typeof operations, method: (...args: unknown[]) => unknown) =>
    async function (...args: unknown[]): Promise<unknown> {
      const startMs = runtime.monotonicMs();
      let outcome: CallOutcome = 'ok';
      try {
        return await method.apply(adapter, args);
      } catch (error) {
        outcome = asProviderError(error).code;
        throw error;
      } finally {
        observe(operations[name], outcome, runtime.monotonicMs() - startMs);
      }
    };
  return new Proxy(adapter, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      let method = timed.get(name);
      if (!method) {
        const raw = value as (...args: unknown[]) => unknown;
        method = Object.hasOwn(operations, name) ? wrap(name as keyof typeof operations, raw) : raw.bind(target);
        timed.set(name, method);
      }
      return method;
    },
  });
}
