/** What all drivers do alike when a checked part of the file becomes a ProviderConfig and its pools. */
import { ConfigReferenceError } from './errors.ts';
import { fingerprint } from './load.ts';
import type { DriverLoadContext, PoolConfig, ProviderConfig } from './model.ts';
import { asInt } from './schema.ts';
import { didYouMean } from './suggest.ts';
import { unwrap } from './yaml.ts';

interface CommonProviderKeys {
  readonly name: string;
  readonly priority?: number | boolean | undefined;
  readonly 'max-concurrency'?: number | boolean | undefined;
}

interface CommonPoolKeys {
  readonly name?: string | undefined;
  readonly priority?: number | boolean | undefined;
  readonly 'max-servers'?: number | boolean | undefined;
  readonly 'node-attributes'?: Record<string, unknown> | undefined;
}

/** `p` as the schema gave it; without a rate of its own. */
export function commonOfProvider(
  p: CommonProviderKeys,
): Pick<ProviderConfig, 'name' | 'maxConcurrency' | 'priority' | 'ratePerSecond' | 'fingerprint'> {
  const concurrency = asInt(p['max-concurrency'], -1);
  return {
    name: p.name,
    maxConcurrency: concurrency < 0 ? Number.POSITIVE_INFINITY : concurrency,
    priority: asInt(p.priority, 100),
    ratePerSecond: Number.POSITIVE_INFINITY,
    fingerprint: fingerprint(p),
  };
}

/** Throws a ConfigReferenceError for a pool without a name. */
export function commonOfPool(
  one: CommonPoolKeys,
  index: number,
  provider: Pick<ProviderConfig, 'name' | 'priority'>,
): Pick<PoolConfig, 'name' | 'providerName' | 'maxServers' | 'priority' | 'nodeAttributes'> {
  if (one.name === undefined) throw new ConfigReferenceError(['pools', index], 'name is required');
  return {
    name: one.name,
    providerName: provider.name,
    maxServers: asInt(one['max-servers'], Number.POSITIVE_INFINITY),
    priority: asInt(one.priority, provider.priority),
    nodeAttributes: (unwrap(one['node-attributes']) as Record<string, unknown> | undefined) ?? null,
  };
}

/** Throws a ConfigReferenceError at `path` unless the file declares such a label. */
export function requireLabel(name: string, path: readonly PropertyKey[], { labels }: DriverLoadContext): void {
  if (labels.has(name)) return;
  throw new ConfigReferenceError(path, `there is no top-level label ${name}${didYouMean(name, [...labels.keys()])}`);
}
