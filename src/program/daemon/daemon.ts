/** The frame of every daemon: pid file, log, configuration, signals, systemd. What it does meanwhile is told by its `work`. */
import { systemRuntime } from '../../base/runtime.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import { notBuilt, servable } from '../../drivers/catalogue.ts';
import type { Log, Logs } from '../../telemetry/log/log.ts';
import { daemonLogs, type GlobalOptions, load } from '../context.ts';
import { loggerNames } from '../logging/loggers.ts';
import {
  type Dump,
  daemonStopSignals,
  dumpOnSignal,
  endOnBugs,
  onHangup,
  onStopSignal,
  type StopRequest,
} from '../process.ts';
import { ConfigSource } from './config-source.ts';
import { takePidFile } from './pid-file.ts';
import { ServiceManager } from './service-manager.ts';
import { optimizeLater } from './v8-flags.ts';

export interface DaemonOptions extends GlobalOptions {
  /** It runs without a terminal. */
  readonly background?: {
    readonly pidFile: string;
    /** Options and configuration are good. */
    readonly onRunning: () => Promise<void>;
  };
}

/** What a daemon's work finds around it. */
export interface DaemonFrame {
  readonly source: ConfigSource;
  readonly logs: Logs;
  readonly stop: StopRequest;
  readonly dump: Dump;
  readonly manager: ServiceManager;
}

/** Runs the work, which ends when `stop` is received; whatever it needed of the machine is given back then. */
export async function runDaemon(options: DaemonOptions, work: (frame: DaemonFrame) => Promise<void>): Promise<void> {
  optimizeLater();
  const { background } = options;
  const pidFile = background ? await takePidFile(background.pidFile, systemRuntime) : null;
  try {
    const logs = daemonLogs(options, background ? 'file' : 'stdout');
    const source = configSource(options, logs.named(loggerNames.config));
    const leave = endOnBugs(logs.named(loggerNames.general), () => pidFile?.release());
    const { close, ...frame } = openFrame(source, logs);
    await background?.onRunning();
    try {
      await work(frame);
    } catch (error) {
      // Nobody is there any more who reads what it prints.
      if (background) logs.named(loggerNames.general).fatal({ err: error }, 'The process ends');
      throw error;
    } finally {
      await close();
      leave();
    }
  } finally {
    pidFile?.release();
  }
}

function openFrame(source: ConfigSource, logs: Logs): DaemonFrame & { readonly close: () => Promise<void> } {
  const stop = onStopSignal(daemonStopSignals);
  const dump = dumpOnSignal(systemRuntime, logs.named(loggerNames.stackDump));
  const offHangup = onHangup(() => source.reload());
  const manager = new ServiceManager(
    {
      runtime: systemRuntime,
      log: logs.named(loggerNames.general),
    },
    {
      env: process.env,
      processId: process.pid,
    },
  );
  stop.signal.addEventListener('abort', () => manager.stopping(), { once: true });
  return {
    source,
    logs,
    stop,
    dump,
    manager,
    close: async () => {
      manager.close();
      await manager.idle();
      source.close();
      offHangup();
      dump.dispose();
      stop.dispose();
    },
  };
}

function configSource(options: DaemonOptions, log: Log): ConfigSource {
  const { config, secure } = options;
  return new ConfigSource(
    {
      load: () => loadServable(options, log),
      runtime: systemRuntime,
      log,
    },
    {
      paths: [config, ...(secure === undefined ? [] : [secure])],
    },
  );
}

function loadServable(options: DaemonOptions, log: Log): NodepoolConfig {
  const config = load(options, (remark) => log.warn({}, remark));
  for (const left of notBuilt(config)) log.warn({}, left);
  return servable(config);
}
