/**
 * Metrics by the statsd protocol over UDP: lines `name:value|type`, several in one datagram. Failures are ignored: a launcher
 * works as well when nobody listens.
 */
import { createSocket } from 'node:dgram';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import { rememberedLookup } from './remembered-lookup.ts';

export interface StatsSink {
  gauge(name: string, value: number): void;
  count(name: string, value?: number): void;
  timing(name: string, ms: number): void;
}

export interface Statsd extends StatsSink {
  close(): void;
}

/** Receivers read more than this of a datagram, and every network lets this much pass unfragmented. */
const mostBytes = 1000;
const gatherMs = 20;
const defaultPort = 8125;

/** A name from outside as one part of a metric's name: it must not look like several parts. */
export const statsName = (text: string): string => text.replaceAll(/[.:|@\s]/g, '_');

/**
 * "No limit" is `inf`, as the Python clients write it: statsd_exporter and Telegraf read it so, and StatsD itself leaves out
 * that one line.
 */
const amount = (value: number): string => (value === Number.POSITIVE_INFINITY ? 'inf' : String(value));

/** null where neither STATSD_HOST nor STATSD_PORT is set, or STATSD_PORT is no port. */
export function statsdFromEnvironment(
  env: NodeJS.ProcessEnv,
  runtime: Runtime,
  log: Pick<Logger, 'warn'>,
): Statsd | null {
  const { STATSD_HOST: host, STATSD_PORT: word } = env;
  if (host === undefined && word === undefined) return null;
  const port = word ? Number(word) : defaultPort;
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return createStatsd(host || 'localhost', port, runtime);
  log.warn({ port: word }, 'STATSD_PORT is no port from 1 to 65535: no metrics are sent by statsd');
  return null;
}

export function createStatsd(host: string, port: number, runtime: Runtime): Statsd {
  const socket = createSocket({ type: 'udp4', lookup: rememberedLookup(runtime) });
  socket.unref();
  socket.on('error', () => undefined);
  let lines: string[] = [];
  let bytes = 0;
  let timer: { cancel(): void } | null = null;
  let closed = false;

  const flush = () => {
    timer?.cancel();
    timer = null;
    if (lines.length === 0) return;
    const datagram = lines.join('\n');
    lines = [];
    bytes = 0;
    if (!closed) socket.send(datagram, port, host, () => undefined);
  };
  const send = (line: string) => {
    const size = Buffer.byteLength(line) + 1;
    if (bytes + size > mostBytes) flush();
    lines.push(line);
    bytes += size;
    timer ??= runtime.setBackgroundTimer(gatherMs, flush);
  };
  return {
    gauge: (name, value) => send(`${name}:${amount(value)}|g`),
    count: (name, value = 1) => send(`${name}:${value}|c`),
    timing: (name, ms) => send(`${name}:${Math.round(ms)}|ms`),
    close: () => {
      flush();
      closed = true;
      socket.close();
    },
  };
}
