/** A daemon's connection to ZooKeeper with the mirrors of its tree: opened with patience, closed in order. */
import type { ZooKeeper } from '@nodepool/zookeeper';
import type { Coordinator } from '@nodepool/zookeeper/server';
import { systemRuntime } from '../../base/runtime.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import { Store } from '../../store/mirrors/store.ts';
import type { Log } from '../../telemetry/log/log.ts';
import { connect, type ConnectOptions, diagnoseServers, shown } from '../connection.ts';
import { loggerNames } from '../logging/loggers.ts';
import type { DaemonFrame } from './daemon.ts';
import { TlsSource } from './tls-source.ts';

/** A word about the first connection after that time, and then again and again. */
const firstReportMs = 2000;
const nextReportMs = 10_000;

export interface TreeConnection {
  readonly client: ZooKeeper;
  readonly store: Store;
  /** null where ZooKeeper is reached without TLS. */
  readonly certificates: TlsSource | null;
  /** Ends the session, whatever still waits for an answer: others need not wait for its time to be over. */
  close(): Promise<void>;
}

/** Waits for ZooKeeper for ever; null: the daemon has been told to stop meanwhile. */
export async function connectTree(frame: DaemonFrame, embedded: Coordinator | null): Promise<TreeConnection | null> {
  const { source, logs, stop, manager } = frame;
  const log = logs.named(loggerNames.zookeeper);
  const certificates = embedded ? null : TlsSource.of(() => source.current, systemRuntime, log);
  const tls = certificates ? { tls: () => shown(certificates.material) } : {};
  const client = connect(source.current, log, { inProcess: embedded?.connector, ...tls });
  manager.status('Waiting for ZooKeeper');
  try {
    await connectedDaemon(client, source.current, log, { signal: stop.signal, ...tls });
    // ZooKeeper may go away again at any moment: a signal is heard all the same.
    const opened = await Promise.race([
      Store.open({ client, runtime: systemRuntime, log: logs.named(loggerNames.store) }),
      stop.received,
    ]);
    if (typeof opened !== 'string') return treeConnection(client, opened, certificates);
  } catch (error) {
    if (!stop.signal.aborted) {
      await closeClient(client, certificates);
      throw error;
    }
  }
  await closeClient(client, certificates);
  return null;
}

function treeConnection(client: ZooKeeper, store: Store, certificates: TlsSource | null): TreeConnection {
  return {
    client,
    store,
    certificates,
    close: async () => {
      await client.close();
      await store.close();
      certificates?.close();
    },
  };
}

async function closeClient(client: ZooKeeper, certificates: TlsSource | null): Promise<void> {
  certificates?.close();
  await client.close();
}

/** Resolves with the first connection; rejects only when the signal is aborted. */
export async function connectedDaemon(
  client: ZooKeeper,
  config: NodepoolConfig,
  log: Log,
  { signal, tls }: { readonly signal: AbortSignal } & Pick<ConnectOptions, 'tls'>,
): Promise<void> {
  let timeoutMs = firstReportMs;
  for (;;) {
    try {
      await client.waitConnected({ timeoutMs, signal });
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      const problems = await problemsOf(config, tls);
      log.warn(problems.length > 0 ? { problems } : { err: error }, 'Still waiting for ZooKeeper');
      timeoutMs = nextReportMs;
    }
  }
}

/** Whoever waits goes on waiting, also where the reason cannot be found out. */
async function problemsOf(config: NodepoolConfig, tls: ConnectOptions['tls']): Promise<string[]> {
  try {
    return (await diagnoseServers(config, tls)).map(({ problem }) => problem);
  } catch (error) {
    return [(error as Error).message];
  }
}
