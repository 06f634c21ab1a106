/** A launcher as a process: what it is made of, its status pages, its end. */
import { hostname } from 'node:os';
import type { Coordinator } from '@nodepool/zookeeper/server';
import { StatusSite } from '../../api/status-site.ts';
import { withoutSecrets } from '../../base/redact.ts';
import { systemRuntime } from '../../base/runtime.ts';
import type { NodepoolConfig, ProviderConfig } from '../../config/model.ts';
import { createAdapter } from '../../drivers/catalogue.ts';
import { Launcher } from '../../launcher/launcher.ts';
import type { LauncherOptions } from '../../launcher/launcher-options.ts';
import { measured } from '../../provider/measured-adapter.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { cloudCallMetrics } from '../../telemetry/cloud-call-metrics.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { Correlation } from '../logging/correlation.ts';
import { loggerNames, providerLogger } from '../logging/loggers.ts';
import { bounded, stopTimeoutMs } from '../process.ts';
import { version } from '../version.ts';
import { followConfiguration } from './config-reload.ts';
import { openCoordinator } from './coordinator-process.ts';
import { type DaemonFrame, type DaemonOptions, runDaemon } from './daemon.ts';
import { openTelemetry, type ProcessTelemetry } from './process-telemetry.ts';
import { connectTree, type TreeConnection } from './tree-connection.ts';

export interface LauncherProcessOptions extends DaemonOptions {
  /** false: no status pages and metrics over HTTP. */
  readonly webapp?: boolean;
}

/** `nodepool up`: with the embedded coordinator where no zookeeper-servers are configured. */
export async function up(options: LauncherProcessOptions): Promise<void> {
  await runDaemon(options, async (frame) => {
    if (frame.source.current.zookeeper.servers.length > 0) return runLauncher(options, frame, null);
    const coordinator = await openCoordinator(frame);
    try {
      await runLauncher(options, frame, coordinator);
    } finally {
      await coordinator.close();
    }
  });
}

/** `nodepool launcher` and `nodepool-launcher`. */
export async function launcher(options: LauncherProcessOptions): Promise<void> {
  await runDaemon(options, (frame) => runLauncher(options, frame, null));
}

async function runLauncher(
  { webapp = true }: LauncherProcessOptions,
  frame: DaemonFrame,
  embedded: Coordinator | null,
): Promise<void> {
  const { source, logs, stop } = frame;
  const config = source.current;
  const tree = await connectTree(frame, embedded);
  if (!tree) return;
  const correlation = new Correlation(tree.store);
  const log = correlation.of(logs.named(loggerNames.launcher));
  const fqdn = hostname();
  const telemetry = await openTelemetry('nodepool-launcher', fqdn, logs.named(loggerNames.launcher), log);
  const running = new Launcher({
    ...identity(fqdn),
    ...telemetry,
    ...wiring(logs, correlation, telemetry.metrics),
    config,
    store: tree.store,
    runtime: systemRuntime,
    log,
    env: process.env,
  });
  const site = webapp ? statusSite(config, tree.store, running, telemetry.metrics, frame) : null;
  show(frame, tree, running, site);
  await Promise.race([running.start(), stop.received]);
  const reload = (next: NodepoolConfig) => running.reload(next);
  followConfiguration({ source, client: tree.client, log: logs.named(loggerNames.config), reload }, config);
  const signal = await stop.received;
  source.close();
  try {
    const inTime = await bounded(systemRuntime, stopTimeoutMs[signal], () => running.stop());
    if (!inTime) log.warn({ signal }, 'Stopping takes too long, leaving what is under way to the next launcher');
  } finally {
    await site?.close();
    await tree.close();
  }
  correlation.close();
  await telemetry.close();
}

function identity(fqdn: string): Pick<LauncherOptions, 'hostname' | 'fqdn' | 'version' | 'processId'> {
  return { hostname: fqdn.split('.')[0] ?? fqdn, fqdn, version, processId: process.pid };
}

/** The launcher's adapters, whose calls are measured, and the loggers of its parts. */
function wiring(
  logs: DaemonFrame['logs'],
  correlation: Correlation,
  metrics: Metrics,
): Pick<LauncherOptions, 'createAdapter' | 'providerLog' | 'watchdogLog'> {
  const calls = cloudCallMetrics(metrics);
  const providerLog = ({ driver, name }: ProviderConfig) => correlation.of(logs.named(providerLogger(driver, name)));
  return {
    createAdapter: async (provider, backing) =>
      measured(
        await createAdapter(provider, systemRuntime, providerLog(provider), backing),
        systemRuntime,
        (operation, outcome, tookMs) => calls.observe({ provider: provider.name, operation, outcome }, tookMs / 1000),
      ),
    providerLog,
    watchdogLog: correlation.of(logs.named(loggerNames.watchdog)),
  };
}

/** Lets everybody who asks see how it is: systemd, SIGUSR2, the watchdog, HTTP. */
function show(
  { source, dump, manager }: DaemonFrame,
  { store, certificates }: TreeConnection,
  running: Launcher,
  site: StatusSite | null,
): void {
  dump.tells(() => summary(store, running));
  manager.follow({ ready: () => running.ready, alive: () => running.alive });
  for (const one of [source, certificates, site]) if (one) running.watchdog.addSource(one);
  site?.start();
}

/** Address and port are taken at the start; other ones take a restart. */
function statusSite(
  { webapp }: NodepoolConfig,
  store: Store,
  running: Launcher,
  metrics: ProcessTelemetry['metrics'],
  { logs }: DaemonFrame,
): StatusSite {
  return new StatusSite({
    host: webapp.listenAddress,
    port: webapp.port,
    store,
    metrics,
    health: () => ({
      ready: running.ready,
      session: store.client.state,
      synced: store.synced,
      // Reasons are the words of clouds and their libraries.
      troubles: running.watchdog.snapshot().map((trouble) => ({ ...trouble, why: withoutSecrets(trouble.why) })),
    }),
    runtime: systemRuntime,
    log: logs.named(loggerNames.webapp),
  });
}

function summary(store: Store, running: Launcher): object {
  return {
    ready: running.ready,
    synced: store.synced,
    session: store.client.state,
    nodes: tally([...store.nodes.all()].map(({ node }) => node?.broken ?? node?.state)),
    troubles: running.watchdog.snapshot(),
    requests: tally([...store.requests.all()].map(({ request }) => request.broken ?? request.state)),
  };
}

function tally(states: readonly unknown[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const state of states) {
    const name = typeof state === 'string' ? state : 'unreadable';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
