import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameSplitter } from './framing.ts';
import { JuteReader, JuteWriter, ProtocolError } from './jute.ts';
import { readMulti, readMultiResults, type WireOperation, writeMulti, writeMultiResults } from './messages/multi.ts';
import {
  decodeConnectRequest,
  decodeConnectResponse,
  encodeConnectRequest,
  encodeConnectResponse,
} from './messages/connect.ts';
import { encodeEvent, readEvent } from './messages/event.ts';
import { openAcl, readAcl, readStat, type Stat, writeStat } from './records.ts';
import { pathProblem } from './path.ts';
import { readReplyHeader } from './messages/header.ts';

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a));
const text = fc.string({ unit: 'grapheme', maxLength: 50 });
const stat: fc.Arbitrary<Stat> = fc.record({
  czxid: long,
  mzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  dataLength: int,
  numChildren: int,
  pzxid: long,
});
const operation: fc.Arbitrary<WireOperation> = fc.oneof(
  fc.record({
    type: fc.constant('create' as const),
    path: text,
    data: bytes,
    acl: fc.constant(openAcl),
    flags: fc.integer({ min: 0, max: 3 }),
    withStat: fc.boolean(),
  }),
  fc.record({ type: fc.constant('delete' as const), path: text, version: int }),
  fc.record({ type: fc.constant('set' as const), path: text, data: bytes, version: int }),
  fc.record({ type: fc.constant('check' as const), path: text, version: int }),
);
const payload = (write: (w: JuteWriter) => unknown) => {
  const w = new JuteWriter(1);
  write(w);
  return Buffer.from(w.payload());
};

describe('what was written is read', () => {
  test('primitive values to the bit', () => {
    fc.assert(
      fc.property(int, long, bytes, text, fc.boolean(), fc.array(text), (i, l, b, s, flag, list) => {
        const r = new JuteReader(
          payload((w) =>
            w
              .int(i)
              .long(l)
              .buffer(b)
              .string(s)
              .bool(flag)
              .vector(list, (v, item) => v.string(item)),
          ),
        );
        expect([r.int(), r.long(), r.buffer(), r.string(), r.bool()]).toEqual([i, l, b, s, flag]);
        expect(r.vector((v) => v.string())).toEqual(list);
        expect(r.remaining).toBe(0);
      }),
    );
  });

  test('stat, connect, event, multi and its results', () => {
    fc.assert(
      fc.property(
        stat,
        fc.array(operation, { maxLength: 8 }),
        long,
        bytes,
        text,
        (s, operations, id, password, path) => {
          expect(readStat(new JuteReader(payload((w) => writeStat(w, s))))).toEqual(s);
          expect(readMulti(new JuteReader(payload((w) => writeMulti(w, operations))))).toEqual(operations);
          const request = { lastZxidSeen: id, timeoutMs: 10_000, sessionId: id, password, readOnly: false };
          expect(decodeConnectRequest(encodeConnectRequest(request).subarray(4))).toEqual(request);
          const response = { timeoutMs: 10_000, sessionId: id, password, readOnly: true };
          expect(decodeConnectResponse(encodeConnectResponse(response).subarray(4))).toEqual(response);
          const event = new JuteReader(encodeEvent({ type: 'data-changed', path }, 3).subarray(4));
          expect(readReplyHeader(event).xid).toBe(-1);
          expect(readEvent(event)).toEqual({ type: 'data-changed', path });
          const results = [
            { type: 'create' as const, path, stat: s },
            { type: 'create' as const, path, stat: null },
            { type: 'set' as const, stat: s },
            { type: 'get' as const, data: password, stat: s },
            { type: 'children' as const, children: [path] },
            { type: 'delete' as const },
            { type: 'error' as const, error: -101 },
          ];
          expect(readMultiResults(new JuteReader(payload((w) => writeMultiResults(w, results))))).toEqual(results);
        },
      ),
    );
  });
});

describe('untrusted bytes', () => {
  const decoders: ((frame: Buffer) => unknown)[] = [
    (f) => readMulti(new JuteReader(f)),
    (f) => readMultiResults(new JuteReader(f)),
    decodeConnectRequest,
    decodeConnectResponse,
    (f) => readStat(new JuteReader(f)),
    (f) => readEvent(new JuteReader(f)),
    (f) => new JuteReader(f).vector(readAcl),
    (f) => new JuteReader(f).vector((r) => r.string()),
    (f) => readReplyHeader(new JuteReader(f)),
  ];

  test('mutated frames give a value or a ProtocolError', () => {
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const seeds = fc
      .sample(fc.array(operation, { maxLength: 4 }), { numRuns: 50, seed: 1 })
      .map((operations) => payload((w) => writeMulti(w, operations)));
    let refused = 0;
    for (let round = 0; round < 100_000; round++) {
      const frame = Buffer.from(seeds[random(seeds.length)]!).subarray(0, 1 + random(400));
      for (let change = random(4); change >= 0; change--) {
        const at = random(frame.length);
        if (random(3) === 0 && frame.length >= at + 4)
          frame.writeInt32BE([-1, -2, 2 ** 31 - 1, -(2 ** 31)][random(4)]!, at);
        else frame[at] = random(256);
      }
      try {
        decoders[round % decoders.length]!(frame);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });

  test('a huge count allocates nothing', () => {
    const frame = Buffer.alloc(8);
    frame.writeInt32BE(2 ** 31 - 1, 0);
    expect(() => new JuteReader(frame).vector((r) => r.int())).toThrow(ProtocolError);
    expect(() => new JuteReader(frame).buffer()).toThrow(ProtocolError);
    expect(() => new JuteReader(frame).string()).toThrow(ProtocolError);
  });
});

describe('frames', () => {
  test('are the same however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(bytes, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (frames, cuts) => {
          const stream = Buffer.concat(frames.map((f) => payload((w) => w.buffer(f))));
          const splitter = new FrameSplitter(1000);
          const seen: Buffer[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const length = cuts[i % cuts.length]!;
            splitter.push(stream.subarray(at, at + length));
            for (let frame = splitter.next(); frame; frame = splitter.next()) seen.push(frame);
            at += length;
          }
          expect(seen).toEqual(frames);
        },
      ),
    );
  });

  test.each([-1, 1001, 2 ** 31 - 1])('of length %i are refused', (length) => {
    const header = Buffer.alloc(4);
    header.writeInt32BE(length, 0);
    const splitter = new FrameSplitter(1000);
    splitter.push(header);
    expect(() => splitter.next()).toThrow(ProtocolError);
  });
});

test.each([
  ['/', true],
  ['/a/b', true],
  ['/ä', true],
  ['', false],
  ['a', false],
  ['/a/', false],
  ['/a//b', false],
  ['/a/../b', false],
  ['/a\u0000', false],
  ['/a\n', false],
  ['/a/.', false],
  ['/.a/b.c-d_e:1', true],
])('path %j: %s', (path, good) => {
  expect(pathProblem(path) === null).toBe(good);
});

test('a path as long as a frame is judged like any other', () => {
  const long = '/a'.repeat(400_000);
  expect(pathProblem(long)).toBeNull();
  expect(pathProblem(`${long}/..`)).not.toBeNull();
});
