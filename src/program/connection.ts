/** A connection to the configured ZooKeeper, or to the coordinator that runs in the configured data directory. */
import { readFileSync } from 'node:fs';
import type { NodepoolConfig, TlsFiles } from '../config/model.ts';
import { systemRuntime } from '../base/runtime.ts';
import type { Log } from '../telemetry/log/log.ts';
import {
  type Connector,
  createZooKeeper,
  diagnose,
  type Diagnosis,
  type ServerTarget,
  type TlsOptions,
  type ZooKeeper,
} from '@nodepool/zookeeper';
import { type Address, CoordinatorError, readAddress } from '@nodepool/zookeeper/data-directory';
import { commandLog, type GlobalOptions, load } from './context.ts';
import { UserError } from '../base/user-error.ts';

/** How long a command tries to connect unless told, and when it says that it is still trying. */
const patienceMs = 30_000;
const impatienceMs = 2000;
/** The embedded coordinator is on this machine: it answers soon or not at all. */
const coordinatorPatienceMs = 5000;

export class ZooKeeperUnreachable extends UserError {
  constructor(message: string, cause?: unknown) {
    super(message, 1, cause);
  }
}

function readTls(files: TlsFiles) {
  const read = (key: keyof TlsFiles) => {
    try {
      return readFileSync(files[key]);
    } catch (error) {
      throw new UserError(`zookeeper-tls.${key}: ${(error as Error).message}`, 1, error);
    }
  };
  return shown({ cert: read('cert'), key: read('key'), ca: read('ca') });
}

/** The Python Nodepool checks the chain and not the name; its certificates often name no host. */
export function shown({ cert, key, ca }: Pick<TlsOptions, 'cert' | 'key' | 'ca'>): TlsOptions {
  return { cert, key, ca, verifyHostname: false };
}

export interface ConnectOptions {
  /** The embedded coordinator of this very process. */
  readonly inProcess?: Connector | undefined;
  /** What to show for each new connection; default: what stands in the files then. */
  readonly tls?: () => TlsOptions;
}

export function connect(config: NodepoolConfig, log: Log, options: ConnectOptions = {}): ZooKeeper {
  const { servers, chroot, tls, sessionTimeoutMs } = config.zookeeper;
  const common = {
    sessionTimeoutMs,
    runtime: systemRuntime,
    onError: (error: unknown) => log.error({ err: error }, 'ZooKeeper client'),
  };
  if (servers.length > 0) {
    // Once before the first connection, so that a missing file is not mistaken for an unreachable server.
    if (tls && !options.tls) readTls(tls);
    return logged(
      createZooKeeper({
        ...common,
        servers,
        chroot,
        ...(tls ? { tls: options.tls ?? (() => readTls(tls)) } : {}),
      }),
      log,
    );
  }
  if (options.inProcess) return createZooKeeper({ ...common, servers: [], connector: options.inProcess });
  const address = addressIn(config.coordinator.dataDir);
  if (!address || address.port === null) throw noCoordinator(config);
  return logged(createZooKeeper({ ...common, servers: [{ host: '127.0.0.1', port: address.port }] }), log);
}

function addressIn(dataDir: string): Address | null {
  try {
    return readAddress(dataDir);
  } catch (error) {
    if (!(error instanceof CoordinatorError)) throw error;
    throw new ZooKeeperUnreachable(error.message, error);
  }
}

function noCoordinator(config: NodepoolConfig, cause?: unknown): ZooKeeperUnreachable {
  const { dataDir } = config.coordinator;
  return new ZooKeeperUnreachable(
    `no coordinator is running in ${dataDir}; start one with \`nodepool up\` or \`nodepool coordinator\`, or name zookeeper-servers in the configuration`,
    cause,
  );
}

function logged(client: ZooKeeper, log: Log): ZooKeeper {
  let lost = false;
  client.onState((state, reason) => {
    if (state === 'suspended') log.warn({ reason }, 'The connection to ZooKeeper is lost, connecting again');
    if (state === 'expired') log.warn({ reason }, 'The ZooKeeper session is lost');
    if (state === 'connected' && lost) log.info({ reason }, 'Connected to ZooKeeper again');
    lost = state === 'suspended' || state === 'expired' || (lost && state === 'connecting');
  });
  return client;
}

async function connectedCommand(client: ZooKeeper, config: NodepoolConfig, totalMs: number): Promise<void> {
  const embedded = config.zookeeper.servers.length === 0;
  const firstMs = Math.min(totalMs, embedded ? coordinatorPatienceMs : impatienceMs);
  try {
    await client.waitConnected({ timeoutMs: firstMs });
    return;
  } catch (error) {
    if (embedded) throw noCoordinator(config, error);
  }
  const found = await diagnoseServers(config);
  const problems = found.map((d) => d.problem).join('; ');
  const hopeless = found.length === config.zookeeper.servers.length && found.every((d) => d.permanent);
  try {
    const leftMs = hopeless ? 0 : totalMs - firstMs;
    if (leftMs > 0) console.error(`nodepool: still trying to reach ZooKeeper: ${problems || 'no session yet'}`);
    await client.waitConnected({ timeoutMs: leftMs });
  } catch (error) {
    throw new ZooKeeperUnreachable(`ZooKeeper can't be reached: ${problems || (error as Error).message}`, error);
  }
}

/** The configured servers, with what is needed to talk to each: `material`, or else what stands in the files. */
export function targetsOf(config: NodepoolConfig, material?: ConnectOptions['tls']): ServerTarget[] {
  const { servers, tls } = config.zookeeper;
  if (!tls) return servers.map(({ host, port }) => ({ host, port }));
  const shownThere = material?.() ?? readTls(tls);
  return servers.map(({ host, port }) => ({ host, port, files: tls, material: shownThere }));
}

/** Throws UserError where the files of zookeeper-tls are needed and cannot be read. */
export async function diagnoseServers(
  config: NodepoolConfig,
  material?: ConnectOptions['tls'],
): Promise<readonly Diagnosis[]> {
  const found = await Promise.all(targetsOf(config, material).map((target) => diagnose(target)));
  return found.filter((diagnosis) => diagnosis !== null);
}

/** Runs a command's work with a connection and closes it afterwards. */
export async function withZooKeeper<T>(
  options: GlobalOptions,
  work: (client: ZooKeeper, config: NodepoolConfig, log: Log) => Promise<T>,
): Promise<T> {
  const log = commandLog(options);
  const config = load(options);
  return withConnection(config, log, options, (client) => work(client, config, log));
}

/** The same for a configuration that is loaded already. */
export async function withConnection<T>(
  config: NodepoolConfig,
  log: Log,
  { connectTimeout }: GlobalOptions,
  work: (client: ZooKeeper) => Promise<T>,
): Promise<T> {
  const client = connect(config, log);
  try {
    await connectedCommand(client, config, connectTimeout === undefined ? patienceMs : connectTimeout * 1000);
    return await work(client);
  } finally {
    await client.close();
  }
}
