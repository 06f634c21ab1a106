/** The commands of ZooKeeper's operators, answered in plain text in Apache's format. None of them changes anything. */
import { arch, hostname, platform, release } from 'node:os';
import { resolve } from 'node:path';
import type { ClientConnection, ConnectionLimits } from './connection.ts';
import type { Engine, EngineLimits } from './tree/engine.ts';
import type { Traffic } from './traffic.ts';

export interface WordContext {
  readonly engine: Engine;
  readonly traffic: Traffic;
  readonly connections: ReadonlySet<ClientConnection>;
  readonly limits: EngineLimits & ConnectionLimits & { readonly maxConnections: number };
  readonly dataDir: string;
  /** Of the listeners that are open. */
  readonly ports: { readonly plain: number | null; readonly tls: number | null };
}

/** The version whose behaviour is spoken; clients compare it. */
const version = '3.8.0-nodepool';

const notServing = 'This ZooKeeper instance is not currently serving requests\n';

export function answerWord(name: string, c: WordContext): string | null {
  const serving = c.engine.storage.failure === null;
  switch (name) {
    case 'ruok':
      return 'imok';
    case 'isro':
      return serving ? 'rw' : 'null';
    case 'srvr':
      return serving ? `${versionLine}${server(c)}` : notServing;
    case 'stat':
      return serving ? `${versionLine}Clients:\n${connections(c, false)}\n${server(c)}` : notServing;
    case 'cons':
      return serving ? `${connections(c, true)}\n` : notServing;
    case 'mntr':
      return serving ? monitor(c) : notServing;
    case 'conf':
      return configuration(c);
    case 'envi':
      return environment();
    case 'wchs': {
      const { watchers, paths } = c.engine.watches.summary();
      return `${watchers} connections watching ${paths} paths\nTotal watches:${c.engine.watches.size}\n`;
    }
    default:
      return null;
  }
}

const versionLine = `Zookeeper version: ${version}\n`;

function outstanding(c: WordContext): number {
  let sum = 0;
  for (const connection of c.connections) sum += connection.queued;
  return sum;
}

function server(c: WordContext): string {
  const { minMs, averageMs, maxMs } = c.traffic.latency;
  return [
    `Latency min/avg/max: ${minMs}/${averageMs.toFixed(1)}/${maxMs}`,
    `Received: ${c.traffic.received}`,
    `Sent: ${c.traffic.sent}`,
    `Connections: ${c.connections.size}`,
    `Outstanding: ${outstanding(c)}`,
    `Zxid: 0x${c.engine.database.zxid.toString(16)}`,
    'Mode: standalone',
    `Node count: ${c.engine.database.nodes.size}`,
    '',
  ].join('\n');
}

function connections(c: WordContext, full: boolean): string {
  return [...c.connections]
    .map((connection) => {
      const { session } = connection;
      const numbers = `queued=${connection.queued},recved=${connection.received},sent=${connection.sent}`;
      const own = full && session ? `,sid=0x${session.id.toString(16)},to=${session.timeoutMs}` : '';
      return ` /${connection.remote}[${session ? 1 : 0}](${numbers}${own})\n`;
    })
    .join('');
}

function monitor(c: WordContext): string {
  const { database, sessions, storage, watches } = c.engine;
  const { minMs, averageMs, maxMs } = c.traffic.latency;
  let ephemerals = 0;
  for (const owned of database.ephemerals.values()) ephemerals += owned.size;
  const values: Record<string, string | number> = {
    version,
    avg_latency: averageMs.toFixed(4),
    max_latency: maxMs,
    min_latency: minMs,
    packets_received: c.traffic.received,
    packets_sent: c.traffic.sent,
    num_alive_connections: c.connections.size,
    outstanding_requests: outstanding(c),
    server_state: 'standalone',
    znode_count: database.nodes.size,
    watch_count: watches.size,
    ephemerals_count: ephemerals,
    approximate_data_size: database.dataBytes,
    global_sessions: sessions.byId.size,
    commits: storage.commits,
    max_commit_time: Math.ceil(storage.slowestCommitMs),
  };
  return Object.entries(values)
    .map(([name, value]) => `zk_${name}\t${value}\n`)
    .join('');
}

function configuration({ limits, ports, dataDir }: WordContext): string {
  const values: Record<string, string | number> = {
    clientPort: ports.plain ?? -1,
    secureClientPort: ports.tls ?? -1,
    dataDir: resolve(dataDir),
    maxCnxns: limits.maxConnections,
    minSessionTimeout: limits.minSessionTimeoutMs,
    maxSessionTimeout: limits.maxSessionTimeoutMs,
    'jute.maxbuffer': limits.maxFrameBytes,
    serverId: 0,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function environment(): string {
  const values = {
    'zookeeper.version': version,
    'host.name': hostname(),
    'node.version': process.version,
    'os.name': platform(),
    'os.arch': arch(),
    'os.version': release(),
  };
  return `Environment:\n${Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')}`;
}
