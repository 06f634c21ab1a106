/**
 * Drives random operations against two servers and compares every answer and every watch event: the embedded server must
 * say what Apache ZooKeeper says. Usage: differential.ts PORT_A PORT_B [OPERATIONS] [SEED]. Both servers should be empty.
 */
import { errorCode, opCode, watcherType } from '@nodepool/zookeeper/internal/protocol/constants';
import type { JuteReader, JuteWriter } from '@nodepool/zookeeper/internal/protocol/jute';
import { createOpCode, writeCreate } from '@nodepool/zookeeper/internal/protocol/messages/create';
import {
  readMultiResults,
  type WireOperation,
  type WireResult,
  writeMulti,
} from '@nodepool/zookeeper/internal/protocol/messages/multi';
import {
  openAcl,
  readAcl,
  readStat,
  type Acl,
  type Stat,
  writeAcl,
} from '@nodepool/zookeeper/internal/protocol/records';
import { type Answer, RawClient } from '@nodepool/zookeeper/internal/server/testing/raw-client';

const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

interface Step {
  readonly text: string;
  readonly client: number;
  readonly op: number;
  readonly write: (w: JuteWriter) => unknown;
  readonly show: (r: JuteReader, side: Side) => unknown;
}

/** zxids differ between servers; what must agree is which transaction they name. */
class Side {
  readonly clients: RawClient[];
  private readonly names = new Map<bigint, string>();
  constructor(clients: RawClient[]) {
    this.clients = clients;
  }

  name(zxid: bigint, text: string): void {
    if (!this.names.has(zxid)) this.names.set(zxid, text);
  }

  stat(s: Stat): unknown {
    const zxid = (value: bigint) => this.names.get(value) ?? (value === 0n ? '0' : 'before');
    const owner = this.clients.findIndex((c) => c.session!.sessionId === s.ephemeralOwner);
    return {
      ...s,
      czxid: zxid(s.czxid),
      mzxid: zxid(s.mzxid),
      pzxid: zxid(s.pzxid),
      ctime: 0,
      mtime: 0,
      ephemeralOwner: owner >= 0 ? `client ${owner}` : s.ephemeralOwner,
    };
  }
}

function randomizer(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const names = ['a', 'b', 'c'];
// Not the empty path, which Apache takes for the root when reading.
const oddPaths = [
  'a',
  '/',
  '//',
  '/a/',
  '/a//b',
  '/a/./b',
  '/a/../b',
  '/a/\u0001',
  '/a/\ud7ff',
  '/zookeeper',
  '/zookeeper/quota',
  '/zookeeper/x',
  '/zookeeperx',
  '/a/\ufff0',
];
const acls: readonly (readonly Acl[])[] = [
  openAcl,
  openAcl,
  openAcl,
  openAcl,
  openAcl,
  openAcl,
  [{ perms: 31, scheme: 'auth', id: '' }],
  [{ perms: 1, scheme: 'world', id: 'anyone' }],
  [
    { perms: 5, scheme: 'world', id: 'anyone' },
    { perms: 24, scheme: 'digest', id: 'u:J8vcC3D7X2gDg6g7R5QRBH7zkV4=' },
  ],
  [],
  [{ perms: 31, scheme: 'nonsense', id: 'x' }],
  [{ perms: 31, scheme: 'digest', id: 'nocolon' }],
  [{ perms: 31, scheme: 'ip', id: '127.0.0.0/8' }],
  [{ perms: 31, scheme: 'ip', id: '10.0.0.1' }],
  [{ perms: 31, scheme: 'ip', id: 'rubbish' }],
  [{ perms: 31, scheme: 'world', id: 'someone' }],
  [
    { perms: 1, scheme: 'world', id: 'anyone' },
    { perms: 1, scheme: 'world', id: 'anyone' },
  ],
];

export function makeStep(random: (below: number) => number, clients: number): Step {
  const client = random(clients);
  const path = () => {
    if (random(25) === 0) return oddPaths[random(oddPaths.length)]!;
    let text = '';
    for (let depth = 1 + random(3); depth > 0; depth--) text += `/${names[random(names.length)]}`;
    return text;
  };
  const version = () => (random(3) === 0 ? random(4) : -1);
  const data = () => Buffer.from('x'.repeat(random(5)));
  const create = (): WireOperation => {
    const flags = [0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 9][random(12)]!;
    const ttlMs = [3_600_000n, 0n, -1n, 1n << 40n][random(20) < 16 ? 0 : random(4)]!;
    return {
      type: 'create',
      path: path(),
      data: data(),
      acl: acls[random(acls.length)]!,
      flags,
      ttlMs,
      withStat: random(2) === 0,
    };
  };
  const part = (): WireOperation => {
    switch (random(4)) {
      case 0:
        return create();
      case 1:
        return { type: 'delete', path: path(), version: version() };
      case 2:
        return { type: 'set', path: path(), data: data(), version: version() };
      default:
        return { type: 'check', path: path(), version: version() };
    }
  };
  const at = path();
  const watch = random(4) === 0;
  const stat = (r: JuteReader, side: Side) => side.stat(readStat(r));
  const results = (r: JuteReader, side: Side) => readMultiResults(r).map((result) => showResult(result, side));
  switch (random(18)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const o = create() as Extract<WireOperation, { type: 'create' }>;
      const op = createOpCode(o.flags, o.withStat);
      return {
        client,
        op,
        text: `create ${JSON.stringify({ ...o, ttlMs: String(o.ttlMs) })}`,
        write: (w) => writeCreate(w, o),
        show: (r, side) => ({ path: r.string(), stat: op === opCode.create ? null : stat(r, side) }),
      };
    }
    case 4:
    case 5: {
      const v = version();
      return {
        client,
        op: opCode.delete,
        text: `delete ${at} ${v}`,
        write: (w) => w.string(at).int(v),
        show: () => null,
      };
    }
    case 6:
    case 7: {
      const v = version();
      const d = data();
      return {
        client,
        op: opCode.setData,
        text: `set ${at} ${v}`,
        write: (w) => w.string(at).buffer(d).int(v),
        show: stat,
      };
    }
    case 8:
      return {
        client,
        op: opCode.exists,
        text: `exists ${at} ${watch}`,
        write: (w) => w.string(at).bool(watch),
        show: stat,
      };
    case 9:
      return {
        client,
        op: opCode.getData,
        text: `get ${at} ${watch}`,
        write: (w) => w.string(at).bool(watch),
        show: (r, side) => ({ data: r.buffer(), stat: stat(r, side) }),
      };
    case 10:
      return {
        client,
        op: opCode.getChildren2,
        text: `children ${at} ${watch}`,
        write: (w) => w.string(at).bool(watch),
        show: (r, side) => ({ children: r.vector((v) => v.string()).sort(), stat: stat(r, side) }),
      };
    case 11:
      return {
        client,
        op: opCode.getAcl,
        text: `getAcl ${at}`,
        write: (w) => w.string(at),
        show: (r, side) => ({ acl: r.vector(readAcl), stat: stat(r, side) }),
      };
    case 12: {
      const acl = acls[random(acls.length)]!;
      const v = version();
      return {
        client,
        op: opCode.setAcl,
        text: `setAcl ${at} ${JSON.stringify(acl)} ${v}`,
        write: (w) => w.string(at).vector(acl, writeAcl).int(v),
        show: stat,
      };
    }
    case 13:
    case 14: {
      const operations = Array.from({ length: 1 + random(4) }, part);
      return {
        client,
        op: opCode.multi,
        text: `multi ${JSON.stringify(operations, plain)}`,
        write: (w) => writeMulti(w, operations),
        show: results,
      };
    }
    case 15: {
      const operations = Array.from(
        { length: 1 + random(3) },
        (): WireOperation => ({ type: random(2) ? 'get' : 'children', path: path() }),
      );
      return {
        client,
        op: opCode.multiRead,
        text: `multiRead ${JSON.stringify(operations)}`,
        write: (w) => writeMulti(w, operations),
        show: results,
      };
    }
    case 16: {
      // A client of its own and one mode a path: 3.8.0 forgets a watch when the same client watches the path otherwise.
      const mode = at.length % 2;
      return {
        client: clients,
        op: opCode.addWatch,
        text: `addWatch ${at} ${mode}`,
        write: (w) => w.string(at).int(mode),
        show: (r) => r.int(),
      };
    }
    default:
      switch (random(4)) {
        case 0:
          return {
            client,
            op: opCode.getEphemerals,
            text: `ephemerals ${at}`,
            write: (w) => w.string(at),
            show: (r) => r.vector((v) => v.string()).sort(),
          };
        case 1:
          return {
            client,
            op: opCode.getAllChildrenNumber,
            text: `count ${at}`,
            write: (w) => w.string(at),
            show: (r) => r.int(),
          };
        case 2:
          return {
            client,
            op: opCode.removeWatches,
            text: `removeWatches ${at}`,
            write: (w) => w.string(at).int(watcherType.data),
            show: () => null,
          };
        default:
          return { client, op: opCode.sync, text: `sync ${at}`, write: (w) => w.string(at), show: (r) => r.string() };
      }
  }
}

function showResult(result: WireResult, side: Side): unknown {
  // Apache 3.8 answers a create2 within a multi without the stat.
  if (result.type === 'create') return { type: 'create', path: result.path };
  if (result.type === 'children') return { ...result, children: [...result.children].sort() };
  return 'stat' in result ? { ...result, stat: side.stat(result.stat) } : result;
}

async function run(step: Step, index: number, side: Side): Promise<string> {
  const client = side.clients[step.client]!;
  const answer: Answer = await client.request(step.op, step.write);
  if (answer.error === errorCode.ok) side.name(answer.zxid, `#${index}`);
  const body = answer.error === errorCode.ok ? step.show(answer.body, side) : null;
  // Everybody's events: a ping is answered after what was sent before it.
  const events: string[] = [];
  for (const [i, c] of side.clients.entries()) {
    await c.ping();
    for (const event of c.events.splice(0)) events.push(`${i} ${event.type} ${event.path}`);
  }
  return JSON.stringify({ error: answer.error, body, events, left: body ? answer.body.remaining : 0 }, plain);
}

/** Opens a connection without a session. */
export type Opener = () => Promise<RawClient>;

/** Returns how many answers differed; gives up after ten. */
export async function compare(
  servers: readonly [Opener, Opener],
  operations: number,
  seed: number,
  report: (text: string) => void,
): Promise<number> {
  const sides: Side[] = [];
  for (const open of servers) {
    const clients: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await open();
      await client.handshake({ timeoutMs: 30_000 });
      clients.push(client);
    }
    await clients[0]!.request(opCode.auth, (w) => w.int(0).string('digest').buffer(Buffer.from('u:p')), -4);
    sides.push(new Side(clients));
  }
  const random = randomizer(seed);
  let differences = 0;
  for (let index = 0; index < operations && differences < 10; index++) {
    const step = makeStep(random, 2);
    const [a, b] = await Promise.all(sides.map((side) => run(step, index, side)));
    if (a !== b) {
      differences++;
      report(`#${index} client ${step.client} ${step.text}\n  A ${a}\n  B ${b}`);
    }
  }
  for (const side of sides) for (const client of side.clients) await client.close();
  return differences;
}

if (process.argv[1]?.endsWith('differential.ts') || process.argv[1]?.endsWith('differential.js')) {
  const [a, b, operations = '2000', seed = '1'] = process.argv.slice(2);
  const tcp =
    (port: string | undefined): Opener =>
    () =>
      RawClient.tcp(Number(port));
  const differences = await compare([tcp(a), tcp(b)], Number(operations), Number(seed), console.log);
  console.log(`${differences} differences`);
  process.exitCode = differences === 0 ? 0 : 1;
}
