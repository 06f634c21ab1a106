/** The providers of a file, each judged and loaded by the driver that its name or its key `driver` names. */
import type { z } from 'zod';
import { warnOfDuplicates } from './duplicates.ts';
import type { ConfigDocument } from './document.ts';
import type { DiskImageConfig, DriverConfigDefinition, DriverLoadContext, LabelConfig } from './model.ts';
import { didYouMean } from './suggest.ts';
import type { ConfigIssue } from './yaml/errors.ts';
import { isMapping } from './yaml/values.ts';

export type DriverDefinitions = ReadonlyMap<string, DriverConfigDefinition>;

export interface ParsedProvider {
  readonly definition: DriverConfigDefinition;
  readonly parsed: unknown;
  readonly at: readonly PropertyKey[];
}

/** The providers that are right by the schema of their driver; the document gets what is wrong with the others. */
export function parseProviders(main: ConfigDocument, drivers: DriverDefinitions): ParsedProvider[] {
  const providers = isMapping(main.value) ? main.value['providers'] : undefined;
  if (!Array.isArray(providers)) return [];
  return providers.flatMap((provider: unknown, index) => {
    const at = ['providers', index];
    if (!isMapping(provider) || typeof provider['name'] !== 'string') {
      main.error(at, 'must be a mapping with a name');
      return [];
    }
    const driver = driverOf(provider);
    if (driver === 'fake' && ![undefined, 'fake'].includes(provider['driver'] as string | undefined)) {
      const message = `has no effect: a provider whose name begins with 'fake' is always of driver fake`;
      main.warnings.push(main.issue([...at, 'driver'], message, 'key'));
    }
    const definition = drivers.get(driver);
    if (!definition) {
      main.error([...at, 'driver'], `unknown driver '${driver}'${didYouMean(driver, drivers.keys())}`);
      return [];
    }
    warnOfDuplicates(main, provider, at);
    const parsed = main.parse<z.ZodType>(definition.schema, provider, at);
    return parsed === null ? [] : [{ definition, parsed, at }];
  });
}

/** A provider whose name begins with `fake` is always of driver fake; without the key `driver` it is of openstack. */
function driverOf(provider: Record<string, unknown>): string {
  if (String(provider['name']).startsWith('fake')) return 'fake';
  const driver = provider['driver'];
  return driver === undefined ? 'openstack' : typeof driver === 'string' ? driver : JSON.stringify(driver);
}

/** What a driver is told of the whole file; what it tells gets the place of its provider. */
export function contextOf<I extends DiskImageConfig | null>(
  main: ConfigDocument,
  at: readonly PropertyKey[],
  labels: ReadonlyMap<string, LabelConfig>,
  diskimages: ReadonlyMap<string, I>,
  errors: ConfigIssue[],
): DriverLoadContext<I> {
  return {
    labels,
    diskimages,
    error: (path, message) => void errors.push(main.issue([...at, ...path], message)),
    warn: (path, message) => void main.warnings.push(main.issue([...at, ...path], message)),
  };
}
