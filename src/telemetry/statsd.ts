/**
 * Metrics by the statsd protocol over UDP: lines `name:value|type`, several in one datagram. Nobody answers and nothing is
 * lost when nobody listens, so failures are ignored.
 */
import { createSocket } from 'node:dgram';
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

/** Below what receivers read of a datagram and what passes every network unfragmented. */
const mostBytes = 1000;
const gatherMs = 20;
const defaultPort = 8125;

/** A part of a name that comes from outside must not look like several. */
export const statsName = (text: string): string => text.replaceAll(/[.:|@\s]/g, '_');

/**
 * "No limit" is `inf`, as the Python clients write it: statsd_exporter and Telegraf read it so, and StatsD itself leaves out
 * that one line.
 */
const amount = (value: number): string => (value === Number.POSITIVE_INFINITY ? 'inf' : String(value));

/** null unless STATSD_HOST or STATSD_PORT is set, and where nothing can be sent to that port. */
export function statsdFromEnvironment(
  env: NodeJS.ProcessEnv,
  runtime: Runtime,
  log: { warn(fields: object, message: string): void },
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
