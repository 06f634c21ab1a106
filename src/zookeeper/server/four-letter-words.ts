/** The commands of ZooKeeper's operators, answered in plain text in Apache's format. None of them changes anything. */
import type { Connection } from './connection.ts';
import type { Engine } from './engine.ts';

export interface WordContext {
  readonly engine: Engine;
  readonly connections: ReadonlySet<Connection>;
  readonly port: number | null;
  readonly dataDir: string;
}

const version = '3.8.0-nodepool';

export function answerWord(name: string, c: WordContext): string | null {
  switch (name) {
    case 'ruok':
      return c.engine.storage.failure ? null : 'imok';
    case 'isro':
      return 'rw';
    case 'srvr':
      return server(c);
    case 'stat':
      return server(c, `Clients:\n${connections(c)}\n`);
    case 'cons':
      return connections(c);
    case 'mntr':
      return monitor(c);
    case 'conf':
      return `clientPort=${c.port ?? -1}\ndataDir=${c.dataDir}\n`;
    case 'envi':
      return `Environment:\nzookeeper.version=${version}\nnode.version=${process.version}\n`;
    case 'wchs':
      return `${c.connections.size} connections watching paths\nTotal watches:${c.engine.watches.size}\n`;
    default:
      return null;
  }
}

function totals(c: WordContext): { received: number; sent: number; queued: number } {
  let [received, sent, queued] = [0, 0, 0];
  for (const connection of c.connections) {
    received += connection.received;
    sent += connection.sent;
    queued += connection.queued;
  }
  return { received, sent, queued };
}

function server(c: WordContext, clients = ''): string {
  const { received, sent, queued } = totals(c);
  return [
    `Zookeeper version: ${version}`,
    `${clients}Latency min/avg/max: 0/0.0/0`,
    `Received: ${received}`,
    `Sent: ${sent}`,
    `Connections: ${c.connections.size}`,
    `Outstanding: ${queued}`,
    `Zxid: 0x${c.engine.database.zxid.toString(16)}`,
    'Mode: standalone',
    `Node count: ${c.engine.database.nodes.size}`,
    '',
  ].join('\n');
}

function connections(c: WordContext): string {
  const lines = [...c.connections].map((connection) => {
    const { session } = connection;
    const numbers = `queued=${connection.queued},recved=${connection.received},sent=${connection.sent}`;
    const own = session ? `,sid=0x${session.id.toString(16)},lop=NA,est=0,to=${session.timeoutMs}` : '';
    return ` /${connection.remote}[1](${numbers}${own})`;
  });
  return `${lines.join('\n')}\n`;
}

function monitor(c: WordContext): string {
  const { received, sent, queued } = totals(c);
  let ephemerals = 0;
  for (const owned of c.engine.database.ephemerals.values()) ephemerals += owned.size;
  const values: Record<string, string | number> = {
    version,
    server_state: 'standalone',
    znode_count: c.engine.database.nodes.size,
    ephemerals_count: ephemerals,
    watch_count: c.engine.watches.size,
    packets_received: received,
    packets_sent: sent,
    num_alive_connections: c.connections.size,
    outstanding_requests: queued,
    global_sessions: c.engine.sessions.size,
  };
  return Object.entries(values)
    .map(([name, value]) => `zk_${name}\t${value}\n`)
    .join('');
}
