/** The process and its signals: when to stop, how long stopping may take, what is said of a bug before the end. */
import { constants } from 'node:os';
import type { Runtime } from '../base/runtime.ts';
import type { Log } from '../telemetry/log/log.ts';

/** SIGUSR1 is the Python launcher's other word for an orderly stop. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGHUP'] as const;
export type StopSignal = (typeof stopSignals)[number];

/** Time to hand back what is under way; the end of the session comes on top. Below the 30 s and 10 s after which whoever sent the signal loses patience. */
export const stopTimeoutMs: Readonly<Record<StopSignal, number>> = {
  SIGINT: 25_000,
  SIGUSR1: 25_000,
  SIGHUP: 25_000,
  SIGTERM: 7000,
};

/** What a shell reports for a command that a signal ended. */
export const signalStatus = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

export interface StopRequest {
  /** Aborted by the first stop signal. */
  readonly signal: AbortSignal;
  readonly received: Promise<StopSignal>;
  dispose(): void;
}

/** A daemon takes SIGHUP for a word about its configuration, a command for the end of its terminal. */
export const daemonStopSignals: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGUSR1'];

/** Listens from now on. The same signal a second time ends the process at once. */
export function onStopSignal(signals: readonly StopSignal[] = stopSignals): StopRequest {
  const stop = new AbortController();
  let resolve: (signal: StopSignal) => void;
  const received = new Promise<StopSignal>((done) => (resolve = done));
  const handlers = signals.map((name) => {
    const handler = () => {
      resolve(name);
      stop.abort(new Error(`stopped by ${name}`));
    };
    process.once(name, handler);
    return [name, handler] as const;
  });
  return {
    signal: stop.signal,
    received,
    dispose: () => {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}

/** True when `work` ended in time. One that takes too long is left alone: a crash would be survived as well. */
export function bounded(runtime: Runtime, timeoutMs: number, work: () => Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = runtime.setTimer(timeoutMs, () => resolve(false));
    const done = (settle: () => void) => {
      timer.cancel();
      settle();
    };
    work().then(
      () => done(() => resolve(true)),
      (error: unknown) => done(() => reject(error)),
    );
  });
}

/** A daemon that is in an unknown state is better restarted: everything it held is taken over. */
export function endOnBugs(log: Log, beforeEnd: () => void): () => void {
  const end = (error: unknown) => {
    log.fatal({ err: error }, 'A bug ends this process');
    beforeEnd();
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
  return () => {
    process.off('uncaughtException', end);
    process.off('unhandledRejection', end);
  };
}

export function onHangup(work: () => void): () => void {
  process.on('SIGHUP', work);
  return () => process.off('SIGHUP', work);
}

export interface Dump {
  /** What is said besides what the process itself uses. */
  tells(summary: () => object): void;
  dispose(): void;
}

/** SIGUSR2 writes to the log how things are. */
export function dumpOnSignal(runtime: Runtime, log: Log): Dump {
  let summary: () => object = () => ({});
  const dump = () => {
    const { rss, heapUsed } = process.memoryUsage();
    const resources = process.getActiveResourcesInfo();
    const counts: Record<string, number> = {};
    for (const kind of resources) counts[kind] = (counts[kind] ?? 0) + 1;
    const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
    log.info(
      { ...summary(), rssMiB: mib(rss), heapMiB: mib(heapUsed), upS: Math.round(runtime.monotonicMs() / 1000), counts },
      'State of this process',
    );
  };
  process.on('SIGUSR2', dump);
  return {
    tells: (next) => {
      summary = next;
    },
    dispose: () => process.off('SIGUSR2', dump),
  };
}
