/**
 * Tells systemd how this service is: ready, stopping, alive. Its socket takes datagrams, which Node.js cannot send, so that
 * systemd's own `systemd-notify` does it; once every 20 s with the watchdog of our unit. Without NOTIFY_SOCKET nothing happens.
 */
import { execFile } from 'node:child_process';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { Log } from '../../telemetry/log/log.ts';

export interface ServiceManagerDeps {
  readonly runtime: Runtime;
  readonly log: Log;
}

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly processId: number;
}

export interface Service {
  ready(): boolean;
  /** False: a restart would help. systemd does it when it has not heard of life for the time that its unit says. */
  alive(): boolean;
}

const readyLookMs = 500;
const sendTimeoutMs = 5000;
/** So many chances for one word to get through. */
const pingsPerTimeout = 3;

export class ServiceManager {
  private readonly deps: ServiceManagerDeps;
  private readonly options: ServiceManagerOptions;
  private readonly pingMs: number | null;
  private readyTimer: Timer | null = null;
  private pingTimer: Timer | null = null;
  private closed = false;
  private failing = false;
  private sending: Promise<void> = Promise.resolve();

  constructor(deps: ServiceManagerDeps, options: ServiceManagerOptions) {
    this.deps = deps;
    this.options = options;
    this.pingMs = pingIntervalMs(options);
  }

  /** Says that it is ready once it is, and from then on that it lives. */
  follow(service: Service): void {
    if (this.options.env['NOTIFY_SOCKET'] === undefined) return;
    const look = () => {
      if (this.closed) return;
      if (!service.ready()) {
        this.readyTimer = this.deps.runtime.setBackgroundTimer(readyLookMs, look);
        return;
      }
      this.send('READY=1', 'STATUS=Ready');
      if (this.pingMs !== null) this.ping(service, this.pingMs);
    };
    look();
  }

  status(text: string): void {
    this.send(`STATUS=${text}`);
  }

  /** From now on nothing is said of life: the stop has a time limit of its own. */
  stopping(): void {
    if (this.closed) return;
    this.send('STOPPING=1', 'STATUS=Stopping');
    this.close();
  }

  close(): void {
    this.closed = true;
    this.readyTimer?.cancel();
    this.pingTimer?.cancel();
  }

  /** Resolves when what was said has been heard, or given up. */
  idle(): Promise<void> {
    return this.sending;
  }

  private ping(service: Service, intervalMs: number): void {
    if (service.alive()) this.send('WATCHDOG=1');
    else this.deps.log.error({}, 'This process does its work no more: systemd is not told that it lives');
    this.pingTimer = this.deps.runtime.setBackgroundTimer(intervalMs, () => this.ping(service, intervalMs));
  }

  /** One after the other, so that nothing overtakes. */
  private send(...words: string[]): void {
    if (this.options.env['NOTIFY_SOCKET'] === undefined || this.closed) return;
    this.sending = this.sending.then(async () => {
      const error = await notify(words);
      if (error && !this.failing) this.deps.log.warn({ err: error }, 'systemd could not be told');
      this.failing = error !== null;
    });
  }
}

/** Never rejects: that systemd does not hear is no reason to end. Without memory or processes to spare execFile throws at once. */
function notify(words: string[]): Promise<Error | null> {
  return new Promise<Error | null>((resolve) => {
    execFile('systemd-notify', words, { timeout: sendTimeoutMs }, resolve);
  }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
}

/** null: systemd does not watch this process. */
function pingIntervalMs({ env, processId }: ServiceManagerOptions): number | null {
  const timeoutMs = Number(env['WATCHDOG_USEC']) / 1000;
  const watched = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(processId);
  return watched && timeoutMs > 0 ? timeoutMs / pingsPerTimeout : null;
}
