/** What every command needs: its options, the configuration, and a connection to ZooKeeper or the running coordinator. */
import { readFileSync } from 'node:fs';
import type { NodepoolConfig, TlsFiles } from '../config/model.ts';
import { formatIssue } from '../config/errors.ts';
import { loadConfig } from '../config/load.ts';
import { systemRuntime } from '../runtime.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { createZooKeeper } from '../zookeeper/client/client.ts';
import type { Connector } from '../zookeeper/client/transport.ts';
import type { ZooKeeper } from '../zookeeper/client/types.ts';
import { readAddress } from '../zookeeper/server/data-directory.ts';
import { driverDefinitions } from './drivers.ts';

export interface GlobalOptions {
  readonly config: string;
  readonly secure?: string;
  readonly debug?: boolean;
  readonly logFormat?: 'human' | 'json';
}

/** Something that the user can mend; printed without a stack trace. */
export class UserError extends Error {
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

export function load(o: GlobalOptions, log: Log): NodepoolConfig {
  const { config, warnings } = loadConfig({
    path: o.config,
    securePath: o.secure,
    env: process.env,
    drivers: driverDefinitions,
  });
  for (const warning of warnings) log.warn({}, formatIssue(warning));
  return config;
}

function commandLog(o: GlobalOptions): Log {
  return createLog({ level: o.debug ? 'debug' : 'warn', format: o.logFormat ?? 'human', fd: 2 });
}

export function daemonLog(o: GlobalOptions): Log {
  return createLog({ level: o.debug ? 'debug' : 'info', format: o.logFormat ?? 'human', fd: 1 });
}

function readTls(files: TlsFiles) {
  const read = (what: string, path: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new UserError(`zookeeper-tls: the ${what} ${path} can't be read: ${(error as Error).message}`);
    }
  };
  // The Python Nodepool checks the chain and not the name; its certificates often name no host.
  return {
    cert: read('certificate', files.cert),
    key: read('key', files.key),
    ca: read('CA', files.ca),
    verifyHostname: false,
  };
}

/** A client for the configured ensemble, or for the coordinator of the data directory, which must be running. */
export function connect(config: NodepoolConfig, log: Log, inProcess?: Connector): ZooKeeper {
  const { servers, chroot, tls, sessionTimeoutMs } = config.zookeeper;
  const common = {
    sessionTimeoutMs,
    runtime: systemRuntime,
    onError: (error: unknown) => log.warn({ err: error }, 'ZooKeeper client'),
  };
  if (servers.length > 0) {
    if (tls) readTls(tls);
    return watchStates(
      createZooKeeper({ ...common, servers, chroot, ...(tls ? { tls: () => readTls(tls) } : {}) }),
      log,
    );
  }
  if (inProcess) return createZooKeeper({ ...common, servers: [], connector: inProcess });
  const { dataDir } = config.coordinator;
  const address = readAddress(dataDir);
  if (!address || address.port === null) {
    throw new UserError(
      `no coordinator is running in ${dataDir}; start one with \`nodepool up\` or \`nodepool coordinator\`, or name zookeeper-servers in the configuration`,
    );
  }
  return createZooKeeper({ ...common, servers: [{ host: '127.0.0.1', port: address.port }] });
}

function watchStates(client: ZooKeeper, log: Log): ZooKeeper {
  client.onState((state, reason) => {
    if (state === 'suspended' || state === 'expired')
      log.warn({ state, reason }, 'The connection to ZooKeeper is lost');
  });
  return client;
}

/** Waits for the first connection; a daemon for ever, with a word about it now and then, a command for a while. */
export async function connected(client: ZooKeeper, log: Log, patienceMs: number | null): Promise<ZooKeeper> {
  for (;;) {
    try {
      await client.waitConnected({ timeoutMs: patienceMs ?? 10_000 });
      return client;
    } catch (error) {
      if (patienceMs !== null) {
        await client.close();
        throw new UserError(`ZooKeeper can't be reached: ${(error as Error).message}`);
      }
      log.warn({ problem: (error as Error).message }, 'Still waiting for ZooKeeper');
    }
  }
}

/** Runs `work` with a connection and closes it afterwards. */
export async function withZooKeeper<T>(
  o: GlobalOptions,
  work: (client: ZooKeeper, config: NodepoolConfig, log: Log) => Promise<T>,
): Promise<T> {
  const log = commandLog(o);
  const config = load(o, log);
  const client = await connected(connect(config, log), log, 30_000);
  try {
    return await work(client, config, log);
  } finally {
    await client.close();
  }
}
