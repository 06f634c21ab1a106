/**
 * Sends mutated frames to the embedded coordinator. Each must end in an answer, an error or the end of its connection; the
 * server must neither fall over nor grow. Usage: node --import ./test/run-typescript.mjs test/long/frame-fuzz.ts [FRAMES] [SEED]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemRuntime } from '../../src/base/runtime.ts';
import { opCode } from '@nodepool/zookeeper/internal/protocol/constants';
import { JuteWriter } from '@nodepool/zookeeper/internal/protocol/jute';
import { createOpCode, writeCreate } from '@nodepool/zookeeper/internal/protocol/messages/create';
import { type WireOperation, writeMulti } from '@nodepool/zookeeper/internal/protocol/messages/multi';
import { encodeConnectRequest } from '@nodepool/zookeeper/internal/protocol/messages/connect';
import { openAcl, writeAcl } from '@nodepool/zookeeper/internal/protocol/records';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';
import { RawClient } from '@nodepool/zookeeper/internal/server/testing/raw-client';
import { loggerTo } from '@nodepool/zookeeper/internal/testing/logger-to';

export interface FuzzResult {
  readonly frames: number;
  readonly answers: number;
  readonly connections: number;
  /** What the server logged that is its own fault. */
  readonly faults: readonly string[];
  /** Memory in use after each part, collected. */
  readonly heapMiB: readonly number[];
}

type Random = (below: number) => number;

const framesPerServer = 100_000;
const framesPerConnection = 40;

function randomizer(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function create(path: string, flags: number): Extract<WireOperation, { type: 'create' }> {
  return {
    type: 'create',
    path,
    data: Buffer.from('data'),
    acl: openAcl,
    flags,
    ttlMs: 60_000n,
    withStat: flags % 2 === 0,
  };
}

const requests: readonly [number, (w: JuteWriter) => unknown][] = [
  ...[0, 1, 2, 3, 4, 5, 6].map((flags): [number, (w: JuteWriter) => unknown] => [
    createOpCode(flags, flags % 2 === 0),
    (w) => writeCreate(w, create('/a/b', flags)),
  ]),
  [opCode.delete, (w) => w.string('/a/b').int(-1)],
  [opCode.setData, (w) => w.string('/a').buffer(Buffer.from('x')).int(-1)],
  [opCode.check, (w) => w.string('/a').int(0)],
  [opCode.exists, (w) => w.string('/a/b').bool(true)],
  [opCode.getData, (w) => w.string('/a').bool(true)],
  [opCode.getChildren, (w) => w.string('/').bool(true)],
  [opCode.getChildren2, (w) => w.string('/a').bool(true)],
  [opCode.getAcl, (w) => w.string('/a')],
  [opCode.setAcl, (w) => w.string('/a').vector(openAcl, writeAcl).int(-1)],
  [opCode.sync, (w) => w.string('/')],
  [opCode.ping, () => undefined],
  [opCode.getEphemerals, (w) => w.string('/')],
  [opCode.getAllChildrenNumber, (w) => w.string('/')],
  [opCode.addWatch, (w) => w.string('/a').int(1)],
  [opCode.removeWatches, (w) => w.string('/a').int(3)],
  [opCode.checkWatches, (w) => w.string('/a').int(3)],
  [opCode.auth, (w) => w.int(0).string('digest').buffer(Buffer.from('u:p'))],
  [
    opCode.setWatches,
    (w) => [['/a'], ['/b'], ['/c']].reduce((v, list) => v.vector(list, (u, p) => u.string(p)), w.long(3n)),
  ],
  [
    opCode.setWatches2,
    (w) =>
      [['/a'], ['/b'], ['/c'], ['/d'], ['/']].reduce((v, list) => v.vector(list, (u, p) => u.string(p)), w.long(3n)),
  ],
  [
    opCode.multi,
    (w) =>
      writeMulti(w, [
        create('/m', 2),
        { type: 'set', path: '/a', data: null, version: -1 },
        { type: 'check', path: '/a', version: -1 },
      ]),
  ],
  [
    opCode.multiRead,
    (w) =>
      writeMulti(w, [
        { type: 'get', path: '/a' },
        { type: 'children', path: '/' },
      ]),
  ],
];

/** Numbers that decoders have trouble with. */
const nasty = [-1, 0, 1, -2, 0x7fffffff, -0x80000000, 0xffff, 0x100000, 0x00ffffff];

function mutate(frame: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(frame);
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(bytes.length || 1);
    switch (random(6)) {
      case 0:
        if (bytes.length > 0) bytes[at]! ^= 1 << random(8);
        break;
      case 1:
        bytes = bytes.subarray(0, at);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([random(256), random(256)]), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + random(8)))]);
        break;
      case 4:
        if (bytes.length >= at + 4) bytes.writeInt32BE(nasty[random(nasty.length)]!, at);
        break;
      default:
        bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    }
  }
  return bytes;
}

/** The frame with its length in front, which is wrong now and then. */
function framed(body: Buffer, random: Random): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(random(400) === 0 ? nasty[random(nasty.length)]! : body.length);
  return Buffer.concat([length, body]);
}

const greeting = encodeConnectRequest({
  lastZxidSeen: 0n,
  timeoutMs: 4000,
  sessionId: 0n,
  password: Buffer.alloc(16),
  readOnly: false,
});

/** One connection's worth of frames; resolves when the server has answered, or ended it. */
async function attack(
  coordinator: Coordinator,
  count: number,
  random: Random,
  corpus: readonly Buffer[],
): Promise<number> {
  const stream: Duplex = await coordinator.connector({ host: '', port: 0 }, new AbortController().signal);
  let bytes = 0;
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const mutateGreeting = random(10) === 0;
  stream.write(mutateGreeting ? framed(mutate(greeting.subarray(4), random), random) : greeting);
  const frames = Array.from({ length: count }, () => framed(mutate(corpus[random(corpus.length)]!, random), random));
  const all = Buffer.concat(frames);
  // In pieces of any size.
  for (let at = 0; at < all.length && !stream.destroyed; ) {
    const end = at + 1 + random(4096);
    stream.write(all.subarray(at, end));
    at = end;
  }
  // What is half a frame at the end is dropped; everything before has been answered when the server ends its side.
  stream.end();
  const hangs = Symbol('hangs');
  const outcome = await Promise.race([closed, new Promise((resolve) => setTimeout(() => resolve(hangs), 5000))]);
  if (outcome === hangs) throw new Error('a connection hangs');
  return bytes;
}

/** How many requests the server has taken. */
async function received(coordinator: Coordinator): Promise<number> {
  const stream = await coordinator.connector({ host: '', port: 0 }, new AbortController().signal);
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  stream.end('srvr');
  await new Promise((resolve) => stream.once('close', resolve));
  return Number(/Received: (\d+)/.exec(text)?.[1]);
}

export async function fuzz(frames: number, seed: number, report: (text: string) => void): Promise<FuzzResult> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const random = randomizer(seed);
  const corpus = requests.map(([op, write], index) => {
    const w = new JuteWriter().int(index + 1).int(op);
    write(w);
    return w.frame().subarray(4);
  });
  const faults: string[] = [];
  const heapMiB: number[] = [];
  /** Those that reached the server: after a frame that ends the connection the rest is lost. */
  let sent = 0;
  let answers = 0;
  let connections = 0;
  while (sent < frames) {
    const dataDir = mkdtempSync(join(tmpdir(), 'coordinator-fuzz-'));
    const coordinator = await startCoordinator({
      dataDir,
      runtime: systemRuntime,
      log: loggerTo((message, fields, level) => {
        const { problem } = fields as { problem?: string };
        if (level === 'error' || problem === 'an error of the server')
          faults.push(`${message} ${String((fields as { err?: Error }).err?.stack)}`);
      }),
      limits: { minSessionTimeoutMs: 1000, maxSessionTimeoutMs: 2000 },
    });
    const witness = await RawClient.open(coordinator.address.port!, { timeoutMs: 2000 });
    const before = sent;
    while (sent - before < framesPerServer && sent < frames) {
      for (let i = 0; i < 25; i++) if ((await attack(coordinator, framesPerConnection, random, corpus)) > 0) answers++;
      connections += 25;
      sent = before + (await received(coordinator));
      await witness.ping();
    }
    // It still does its work for others.
    const answer = await witness.request(opCode.create, (w) => writeCreate(w, create(`/witness`, 0)));
    if (answer.error !== 0) faults.push(`the witness got ${answer.error}`);
    witness.stream.destroy();
    await coordinator.close();
    rmSync(dataDir, { recursive: true, force: true });
    collect();
    const { heapUsed, external } = process.memoryUsage();
    heapMiB.push(Math.round((heapUsed + external) / 1048576));
    report(`${sent} frames, ${connections} connections, ${heapMiB.at(-1)} MiB, ${faults.length} faults`);
  }
  return { frames: sent, answers, connections, faults, heapMiB };
}

if (process.argv[1]?.includes('frame-fuzz')) {
  const [frames = '1000000', seed = '1'] = process.argv.slice(2);
  const { faults, heapMiB } = await fuzz(Number(frames), Number(seed), console.log);
  for (const fault of faults.slice(0, 10)) console.log(fault);
  // What single moments hold goes up and down; what stays is in the lowest ones.
  const lowest = (values: readonly number[]) => Math.min(...values);
  const grown = lowest(heapMiB.slice(-3)) - lowest(heapMiB.slice(0, 3));
  console.log(`${frames} mutated frames, ${faults.length} faults, memory grew by ${grown} MiB`);
  process.exitCode = faults.length === 0 && grown < 50 ? 0 : 1;
}
