/** Runs coordinator and launcher as one process until a signal ends it. */
import { hostname } from 'node:os';
import { readFileSync } from 'node:fs';
import type { NodepoolConfig } from '../config/model.ts';
import { Launcher } from '../launcher/launcher.ts';
import { systemRuntime } from '../runtime.ts';
import { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Coordinator, startCoordinator } from '../zookeeper/server/coordinator.ts';
import { connect, connected } from './context.ts';
import { createAdapter } from './drivers.ts';

export const version: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

export function openCoordinator(config: NodepoolConfig, log: Log): Promise<Coordinator> {
  return startCoordinator({
    ...config.coordinator,
    port: config.coordinator.port ?? 0,
    runtime: systemRuntime,
    log: (message, fields) => log.error(fields ?? {}, message),
  });
}

export async function runLauncher(config: NodepoolConfig, log: Log, coordinator: Coordinator | null): Promise<void> {
  const client = await connected(connect(config, log, coordinator?.connector), log, null);
  const store = await Store.open({ client, runtime: systemRuntime, log });
  const fqdn = hostname();
  const launcher = new Launcher({
    config,
    store,
    createAdapter: (provider) => createAdapter(provider, systemRuntime, log),
    runtime: systemRuntime,
    log,
    env: process.env,
    hostname: fqdn.split('.')[0] ?? fqdn,
    fqdn,
    version,
  });
  await launcher.start();
  await untilSignal();
  await bounded(async () => {
    await launcher.stop();
    await store.close();
    await client.close();
  }, 8000);
}

export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const) process.once(signal, () => resolve(signal));
  });
}

/** An orderly end that takes too long is as good as a crash, which everything survives. */
async function bounded(work: () => Promise<void>, timeoutMs: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = systemRuntime.setTimer(timeoutMs, resolve);
    work().then(
      () => {
        timer.cancel();
        resolve();
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
