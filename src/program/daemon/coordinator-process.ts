/** The embedded coordinator as a process of its own, or as a part of another daemon. */
import type { Coordinator } from '@nodepool/zookeeper/server';
import { systemRuntime } from '../../base/runtime.ts';
import type { GlobalOptions } from '../context.ts';
import { loggerNames } from '../logging/loggers.ts';
import { type DaemonFrame, runDaemon } from './daemon.ts';

/** `nodepool coordinator` */
export async function coordinator(options: GlobalOptions): Promise<void> {
  await runDaemon(options, async (frame) => {
    const running = await openCoordinator(frame);
    frame.manager.follow({ ready: () => true, alive: () => true });
    await frame.stop.received;
    await running.close();
  });
}

export async function openCoordinator({ source, logs }: DaemonFrame): Promise<Coordinator> {
  const config = source.current;
  const log = logs.named(loggerNames.coordinator);
  // With its storage it takes longer to load than the launcher, which may have no use for it.
  const { startCoordinator } = await import('@nodepool/zookeeper/server');
  const running = await startCoordinator({
    ...config.coordinator,
    port: config.coordinator.port ?? 0,
    lmdb: await import('lmdb'),
    runtime: systemRuntime,
    log,
  });
  const { host, port, tlsPort } = running.address;
  log.info({ dataDir: config.coordinator.dataDir, host, port, tlsPort }, 'The embedded coordinator listens');
  return running;
}
