/** What changes from one configuration to another: for a reload's log, and for operators before they reload. */
import { isDeepStrictEqual } from 'node:util';
import type { NodepoolConfig, ProviderConfig } from './model.ts';

/** Names that only the second configuration has, that only the first has, or whose content differs. */
export interface NameDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

export interface ProviderDifference {
  readonly name: string;
  readonly pools: NameDifference;
  /** `<pool>/<label>` */
  readonly labels: NameDifference;
}

export interface ConfigDifference {
  readonly labels: NameDifference;
  readonly providers: NameDifference;
  /** An entry for each changed provider. */
  readonly replaced: readonly ProviderDifference[];
  readonly tenantLimits: NameDifference;
  /** Changed keys of other kinds that take effect at once. */
  readonly settings: readonly string[];
  /** Changed sections that are read at the start only. */
  readonly needsRestart: readonly string[];
}

export function configDifference(before: NodepoolConfig, after: NodepoolConfig): ConfigDifference {
  const providers = compare(before.providers, after.providers);
  const sections = (names: readonly (readonly [string, keyof NodepoolConfig])[]) =>
    names.filter(([, key]) => !isDeepStrictEqual(before[key], after[key])).map(([name]) => name);
  const zookeeper = zookeeperDifference(before.zookeeper, after.zookeeper);
  return {
    labels: compare(before.labels, after.labels),
    providers,
    replaced: providers.changed.map((name) =>
      providerDifference(before.providers.get(name)!, after.providers.get(name)!),
    ),
    tenantLimits: compare(before.tenantLimits, after.tenantLimits),
    settings: [...sections([['max-hold-age', 'maxHoldAgeMs']]), ...zookeeper.settings],
    needsRestart: [
      ...zookeeper.needsRestart,
      ...sections([
        ['coordinator', 'coordinator'],
        ['webapp', 'webapp'],
      ]),
    ],
  };
}

/** One line for each change. */
export function describeDifference(d: ConfigDifference): string[] {
  const lines: string[] = [];
  const say = (what: string, names: NameDifference, changed: string) => {
    for (const name of names.added) lines.push(`${what} ${name}: new`);
    for (const name of names.removed) lines.push(`${what} ${name}: gone`);
    for (const name of names.changed) lines.push(`${what} ${name}: ${changed}`);
  };
  say('label', d.labels, 'changed');
  for (const name of d.providers.added) lines.push(`provider ${name}: new`);
  for (const name of d.providers.removed) {
    lines.push(`provider ${name}: gone; its pools take nothing new, launches under way are finished`);
  }
  for (const provider of d.replaced) {
    lines.push(`provider ${provider.name}: replaced; launches under way are finished by the old one`);
    say(`provider ${provider.name}, pool`, provider.pools, 'changed');
    say(`provider ${provider.name}, label`, provider.labels, 'changed');
  }
  say('tenant limit', d.tenantLimits, 'changed');
  for (const name of d.settings) lines.push(`${name}: changed`);
  for (const name of d.needsRestart) lines.push(`${name}: changed, takes effect at the next start`);
  return lines;
}

type ZooKeeperConfig = NodepoolConfig['zookeeper'];

/** A session outlives a change of the ensemble's members and of certificate files, but not the move to another tree. */
function zookeeperDifference(
  before: ZooKeeperConfig,
  after: ZooKeeperConfig,
): Pick<ConfigDifference, 'settings' | 'needsRestart'> {
  if (isDeepStrictEqual(before, after)) return { settings: [], needsRestart: [] };
  const members = ({ servers }: ZooKeeperConfig) => servers.length > 0;
  const rest = ({ chroot, sessionTimeoutMs, tls }: ZooKeeperConfig) => [chroot, sessionTimeoutMs, tls !== null];
  if (members(before) !== members(after) || !isDeepStrictEqual(rest(before), rest(after))) {
    return { settings: [], needsRestart: ['zookeeper'] };
  }
  const settings: string[] = [];
  if (!isDeepStrictEqual(before.servers, after.servers)) settings.push('zookeeper-servers');
  if (!isDeepStrictEqual(before.tls, after.tls)) settings.push('zookeeper-tls');
  return { settings, needsRestart: [] };
}

function providerDifference(before: ProviderConfig, after: ProviderConfig): ProviderDifference {
  return {
    name: before.name,
    pools: compare(before.pools, after.pools),
    labels: compare(labels(before), labels(after)),
  };
}

function labels(provider: ProviderConfig): Map<string, unknown> {
  return new Map(
    [...provider.pools.values()].flatMap((pool) =>
      [...pool.labels].map(([name, label]): [string, unknown] => [`${pool.name}/${name}`, label]),
    ),
  );
}

function compare(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): NameDifference {
  const added = [...after.keys()].filter((name) => !before.has(name));
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const changed = [...before.keys()].filter(
    (name) => after.has(name) && !isDeepStrictEqual(before.get(name), after.get(name)),
  );
  return { added, removed, changed };
}
