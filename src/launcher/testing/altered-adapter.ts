/** Adapters that do as their drivers do, but for single functions that a test puts in their place. */
import type { ProviderConfig } from '../../config/model.ts';
import type { Adapter } from '../../driver-kit/contract.ts';
import { type CreateAdapter, createAdapter } from './cluster.ts';

/** `change` gives what is different at the adapter of that provider. */
export function altered(
  change: (adapter: Adapter, config: ProviderConfig) => Partial<Adapter>,
  base: CreateAdapter = createAdapter,
): CreateAdapter {
  return async (config, backing) => {
    const adapter = await base(config, backing);
    const own = change(adapter, config);
    return new Proxy(adapter, {
      get: (target, name) => {
        if (name in own) return Reflect.get(own, name) as unknown;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
  };
}
