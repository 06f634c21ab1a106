/** The two halves of a driver: its configuration, known to every process, and its adapter, loaded where a provider uses it. */
import type { z } from 'zod';
import type { DriverConfigDefinition, DriverLoadContext, ProviderConfig } from '../config/model.ts';
import type { Adapter, AdapterContext, Driver } from './contract.ts';

/** What a driver's `config.ts` exports: a schema, and the function that makes a provider of what the schema has checked. */
export function defineDriverConfig<S extends z.ZodType, Provider, Pool, Label>(definition: {
  readonly name: string;
  readonly schema: S;
  readonly check?: (parsed: z.output<S>, context: DriverLoadContext<null>) => void;
  /** The driver's name is added to what it returns. */
  readonly load: (
    parsed: z.output<S>,
    context: DriverLoadContext,
  ) => Omit<ProviderConfig<Provider, Pool, Label>, 'driver'>;
}): DriverConfigDefinition<Provider, Pool, Label> {
  const { name, schema, check, load } = definition;
  return {
    name,
    schema,
    check: (parsed, context) => check?.(parsed as z.output<S>, context),
    load: (parsed, context) => ({ ...load(parsed as z.output<S>, context), driver: name }),
  };
}

/** What a driver's `index.ts` exports as `driver`: its adapter gets what its configuration has loaded, typed. */
export function defineDriver<Provider, Pool, Label>(
  config: DriverConfigDefinition<Provider, Pool, Label>,
  createAdapter: (context: AdapterContext<Provider, Pool, Label>) => Adapter,
): Driver {
  // A provider comes to the driver that has loaded it, so its settings are of these types.
  return { name: config.name, createAdapter: createAdapter };
}
