/** Opens the tree of a configuration. An embedded coordinator that does not run is started here, for nobody else. */
import { existsSync } from 'node:fs';
import type { NodepoolConfig } from '../../config/model.ts';
import { systemRuntime } from '../../base/runtime.ts';
import type { Log } from '../../telemetry/log/log.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { dataFile, readAddress } from '@nodepool/zookeeper/data-directory';
import { connect, withConnection } from '../../program/connection.ts';
import { commandLog, type GlobalOptions, load } from '../../program/context.ts';
import { UserError } from '../../base/user-error.ts';

export interface OpenTree {
  readonly client: ZooKeeper;
  /** The tree in words. */
  readonly where: string;
  /** Nobody else can reach it. */
  readonly alone: boolean;
}

/** The embedded coordinator has no data, because it has never been started. */
export class NoTreeYet extends UserError {}

/** `make`: a missing data directory is made. */
export async function withTree<T>(
  globals: GlobalOptions,
  make: boolean,
  work: (tree: OpenTree) => Promise<T>,
): Promise<T> {
  const log = commandLog(globals);
  const config = load(globals);
  const { servers, chroot } = config.zookeeper;
  const { dataDir } = config.coordinator;
  if (servers.length === 0 && !readAddress(dataDir)) return withStopped(config, log, make, work);
  const where =
    servers.length > 0
      ? `${servers.map(({ host, port }) => `${host}:${port}`).join(',')}${chroot}`
      : `the coordinator in ${dataDir}`;
  return withConnection(config, log, globals, (client) => work({ client, where, alone: false }));
}

async function withStopped<T>(
  config: NodepoolConfig,
  log: Log,
  make: boolean,
  work: (tree: OpenTree) => Promise<T>,
): Promise<T> {
  const { dataDir } = config.coordinator;
  if (!make && !existsSync(dataFile(dataDir))) {
    throw new NoTreeYet(`there is no coordinator in ${dataDir}, neither a running one nor its data`);
  }
  const { startCoordinator } = await import('@nodepool/zookeeper/server');
  const said = (fields: object, message: string) => log.error(fields, message);
  const coordinator = await startCoordinator({
    dataDir,
    port: null,
    lmdb: await import('lmdb'),
    runtime: systemRuntime,
    log: { debug: said, info: said, warn: said, error: said },
  });
  try {
    const client = connect(config, log, { inProcess: coordinator.connector });
    try {
      await client.waitConnected({ timeoutMs: 10_000 });
      return await work({ client, where: `the stopped coordinator in ${dataDir}`, alone: true });
    } finally {
      await client.close();
    }
  } finally {
    await coordinator.close();
  }
}
