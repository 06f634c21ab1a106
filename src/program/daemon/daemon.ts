/** Runs coordinator and launcher as one process until a signal ends it. */
import { hostname } from 'node:os';
import { StatusSite } from '../../api/status-site.ts';
import { configDifference, describeDifference } from '../../config/difference.ts';
import type { NodepoolConfig, ProviderConfig } from '../../config/model.ts';
import { Launcher } from '../../launcher/launcher.ts';
import { measured } from '../../provider/measured-adapter.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Store } from '../../store/mirrors/store.ts';
import { cloudCallMetrics } from '../../telemetry/cloud-call-metrics.ts';
import type { Log, Logs } from '../../telemetry/log/log.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { processMetrics } from '../../telemetry/process-metrics.ts';
import { withoutSecrets } from '../../base/redact.ts';
import { statsdFromEnvironment } from '../../telemetry/statsd.ts';
import { noTracing } from '../../telemetry/tracing.ts';
import type { Coordinator } from '@nodepool/zookeeper/server';
import { ConfigSource } from './config-source.ts';
import { connect, connectedDaemon, shown } from '../connection.ts';
import { daemonLogs, type GlobalOptions, load } from '../context.ts';
import { createAdapter, notBuilt, servable } from '../../drivers/catalogue.ts';
import { optimizeLater } from './v8-flags.ts';
import { Correlation } from '../logging/correlation.ts';
import { loggerNames, providerLogger } from '../logging/loggers.ts';
import { takePidFile } from './pid-file.ts';
import { ServiceManager } from './service-manager.ts';
import {
  bounded,
  type Dump,
  daemonStopSignals,
  dumpOnSignal,
  endOnBugs,
  onHangup,
  onStopSignal,
  type StopRequest,
  stopTimeoutMs,
} from '../process.ts';
import { collectTraces } from './trace-export.ts';
import { TlsSource } from './tls-source.ts';
import { version } from '../version.ts';

interface DaemonParts {
  readonly source: ConfigSource;
  readonly logs: Logs;
  readonly stop: StopRequest;
  readonly dump: Dump;
  readonly manager: ServiceManager;
}

export interface DaemonOptions extends GlobalOptions {
  /** false: no status pages and metrics over HTTP. */
  readonly webapp?: boolean;
  /** It runs without a terminal. */
  readonly background?: {
    readonly pidFile: string;
    /** Options and configuration are good. */
    readonly onRunning: () => Promise<void>;
  };
}

/** `nodepool up`: with the embedded coordinator where no zookeeper-servers are configured. */
export async function up(o: DaemonOptions): Promise<void> {
  await daemon(o, async (parts) => {
    if (parts.source.current.zookeeper.servers.length > 0) return runLauncher(o, parts, null);
    const coordinator = await openCoordinator(parts);
    try {
      await runLauncher(o, parts, coordinator);
    } finally {
      await coordinator.close();
    }
  });
}

/** `nodepool launcher` and `nodepool-launcher`. */
export async function launcher(o: DaemonOptions): Promise<void> {
  await daemon(o, (parts) => runLauncher(o, parts, null));
}

/** `nodepool coordinator` */
export async function coordinator(o: GlobalOptions): Promise<void> {
  await daemon(o, async (parts) => {
    const running = await openCoordinator(parts);
    parts.manager.follow({ ready: () => true, alive: () => true });
    await parts.stop.received;
    await running.close();
  });
}

async function daemon(o: DaemonOptions, work: (parts: DaemonParts) => Promise<void>): Promise<void> {
  optimizeLater();
  const pidFile = o.background ? await takePidFile(o.background.pidFile, systemRuntime) : null;
  try {
    const logs = daemonLogs(o, o.background ? 'file' : 'stdout');
    const log = logs.named(loggerNames.config);
    const source = new ConfigSource({
      paths: [o.config, ...(o.secure === undefined ? [] : [o.secure])],
      load: () => loadServable(o, log),
      runtime: systemRuntime,
      log,
    });
    const stop = onStopSignal(daemonStopSignals);
    const dump = dumpOnSignal(systemRuntime, logs.named(loggerNames.stackDump));
    const offHangup = onHangup(() => source.reload());
    const trustAgain = endOnBugs(logs.named(loggerNames.general), () => pidFile?.release());
    const manager = new ServiceManager({
      env: process.env,
      runtime: systemRuntime,
      log: logs.named(loggerNames.general),
      processId: process.pid,
    });
    stop.signal.addEventListener('abort', () => manager.stopping(), { once: true });
    await o.background?.onRunning();
    try {
      await work({ source, logs, stop, dump, manager });
    } catch (error) {
      // Nobody is there any more who reads what it prints.
      if (o.background) logs.named(loggerNames.general).fatal({ err: error }, 'The process ends');
      throw error;
    } finally {
      manager.close();
      await manager.idle();
      source.close();
      offHangup();
      dump.dispose();
      stop.dispose();
      trustAgain();
    }
  } finally {
    pidFile?.release();
  }
}

function loadServable(o: DaemonOptions, log: Log): NodepoolConfig {
  const config = load(o, (remark) => log.warn({}, remark));
  for (const left of notBuilt(config)) log.warn({}, left);
  return servable(config);
}

async function openCoordinator({ source, logs }: DaemonParts): Promise<Coordinator> {
  const config = source.current;
  const log = logs.named(loggerNames.coordinator);
  // With its storage it takes longer to load than the launcher, which may have no use for it.
  const { startCoordinator } = await import('@nodepool/zookeeper/server');
  const running = await startCoordinator({
    ...config.coordinator,
    port: config.coordinator.port ?? 0,
    runtime: systemRuntime,
    log: (message, fields, level) => log[level](fields, message),
  });
  const { host, port, tlsPort } = running.address;
  log.info({ dataDir: config.coordinator.dataDir, host, port, tlsPort }, 'The embedded coordinator listens');
  return running;
}

async function runLauncher(
  o: DaemonOptions,
  { source, logs, stop, dump, manager }: DaemonParts,
  embedded: Coordinator | null,
): Promise<void> {
  const config = source.current;
  const zookeeperLog = logs.named(loggerNames.zookeeper);
  const certificates = embedded ? null : TlsSource.of(() => source.current, systemRuntime, zookeeperLog);
  const tls = certificates ? { tls: () => shown(certificates.material) } : {};
  const client = connect(config, zookeeperLog, { inProcess: embedded?.connector, ...tls });
  manager.status('Waiting for ZooKeeper');
  try {
    await connectedDaemon(client, config, zookeeperLog, { signal: stop.signal, ...tls });
  } catch (error) {
    certificates?.close();
    await client.close();
    if (stop.signal.aborted) return;
    throw error;
  }
  // ZooKeeper may go away again at any moment: a signal is heard all the same.
  const store = await Promise.race([
    Store.open({ client, runtime: systemRuntime, log: logs.named(loggerNames.store) }),
    stop.received,
  ]);
  if (typeof store === 'string') {
    certificates?.close();
    return client.close();
  }
  const correlation = new Correlation(store);
  const log = correlation.of(logs.named(loggerNames.launcher));
  const providerLog = ({ driver, name }: ProviderConfig) => correlation.of(logs.named(providerLogger(driver, name)));
  const fqdn = hostname();
  const statsd = statsdFromEnvironment(process.env, systemRuntime, log);
  const metrics = new Metrics();
  processMetrics(metrics, version);
  const calls = cloudCallMetrics(metrics);
  const tracing = await collectTraces(fqdn, logs.named(loggerNames.launcher));
  const running = new Launcher({
    config,
    store,
    createAdapter: async (provider, backing) =>
      measured(
        await createAdapter(provider, systemRuntime, providerLog(provider), backing),
        systemRuntime,
        (operation, outcome, tookMs) => calls.observe({ provider: provider.name, operation, outcome }, tookMs / 1000),
      ),
    runtime: systemRuntime,
    log,
    providerLog,
    watchdogLog: correlation.of(logs.named(loggerNames.watchdog)),
    env: process.env,
    hostname: fqdn.split('.')[0] ?? fqdn,
    fqdn,
    version,
    stats: statsd,
    metrics,
    tracer: tracing ?? noTracing,
    processId: process.pid,
  });
  dump.tells(() => summary(store, running));
  manager.follow({ ready: () => running.ready, alive: () => running.alive });
  running.watchdog.addSource(source);
  if (certificates) running.watchdog.addSource(certificates);
  const site = o.webapp === false ? null : statusSite(config, store, running, metrics, logs.named(loggerNames.webapp));
  if (site) {
    running.watchdog.addSource(site);
    site.start();
  }
  await Promise.race([running.start(), stop.received]);
  let applied = config;
  const apply = (next: NodepoolConfig) => {
    const difference = configDifference(applied, next);
    const changes = describeDifference(difference);
    if (difference.settings.includes('zookeeper-servers')) client.setServers(next.zookeeper.servers);
    applied = next;
    logs
      .named(loggerNames.config)
      .info({ changes }, changes.length > 0 ? 'The configuration has changed' : 'The configuration is as before');
    running.reload(next);
  };
  source.follow(apply);
  if (source.current !== applied) apply(source.current);
  const signal = await stop.received;
  source.close();
  try {
    const inTime = await bounded(systemRuntime, stopTimeoutMs[signal], () => running.stop());
    if (!inTime) log.warn({ signal }, 'Stopping takes too long, leaving what is under way to the next launcher');
  } finally {
    await site?.close();
    // Ends the session, whatever still waits for an answer: others need not wait for its time to be over.
    await client.close();
    await store.close();
    certificates?.close();
  }
  correlation.close();
  statsd?.close();
  await tracing?.close();
}

/** Address and port are taken at the start; other ones take a restart. */
function statusSite(config: NodepoolConfig, store: Store, running: Launcher, metrics: Metrics, log: Log): StatusSite {
  return new StatusSite({
    host: config.webapp.listenAddress,
    port: config.webapp.port,
    store,
    metrics,
    health: () => ({
      ready: running.ready,
      session: store.client.state,
      synced: store.synced,
      // Reasons are the words of clouds and their libraries.
      troubles: running.watchdog.snapshot().map((fact) => ({ ...fact, why: withoutSecrets(fact.why) })),
    }),
    runtime: systemRuntime,
    log,
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
