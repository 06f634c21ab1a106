/** The loggers of our programs, and the ones among them that answer to loggers of the Python programs. */

/** Below `nodepool.driver` follow the kind and the name of the provider. */
export const loggerNames = {
  general: 'nodepool',
  config: 'nodepool.config',
  coordinator: 'nodepool.coordinator',
  launcher: 'nodepool.launcher',
  watchdog: 'nodepool.watchdog',
  stackDump: 'nodepool.stack_dump',
  store: 'nodepool.store',
  webapp: 'nodepool.webapp',
  zookeeper: 'zookeeper',
} as const;

const driverRoot = 'nodepool.driver';
const builder = 'nodepool.builder';

export function providerLogger(driver: string, provider: string): string {
  return `${driverRoot}.${driver}.${provider}`;
}

/** Names of the Python programs' loggers, and ours that answers to them; the first pattern that fits counts. */
const counterparts: readonly (readonly [RegExp, string])[] = [
  [/^kazoo(?:\.|$)/, loggerNames.zookeeper],
  [/^nodepool\.zk(?:\.|$)/, loggerNames.store],
  [/^nodepool\.ComponentRegistry$|^nodepool\.Component$/, loggerNames.store],
  [/^nodepool\.WebApp$/, loggerNames.webapp],
  [/^nodepool\.GceAdapter$/, `${driverRoot}.gce`],
  [/^nodepool\.driver\.Drivers$|^nodepool\.ProviderManager$/, loggerNames.launcher],
  [
    /^nodepool\.(?:NodePool|PoolWorker|NodeLauncher|NodeDeleter|DeletedNodeWorker|CleanupWorker|StatsWorker|StateMachine\w+|stats|utils)(?:\.|$)/,
    loggerNames.launcher,
  ],
  [/^nodepool\.(?:image|builder)(?:\.|$)/, builder],
];

/** A logger of a class in a Python driver: `nodepool.driver.aws.AwsProvider`. */
const driverClass = /^(nodepool\.driver\.[a-z]+)\.[A-Z]\w*$/;

/** The logger here that a name in a logging configuration stands for; null where nothing here logs under it. */
export function counterpart(name: string): string | null {
  const found = counterparts.find(([pattern]) => pattern.test(name));
  if (found) return found[1];
  const ofDriver = driverClass.exec(name);
  if (ofDriver) return ofDriver[1]!;
  const ours: string[] = [...Object.values(loggerNames), driverRoot, builder];
  const known = ours.some((one) => one === name || one.startsWith(`${name}.`)) || name.startsWith(`${driverRoot}.`);
  return known ? name : null;
}
