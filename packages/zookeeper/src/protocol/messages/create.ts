/**
 * Creating a znode: CreateRequest, CreateTTLRequest, CreateResponse and Create2Response of zookeeper.jute. Four numbers
 * stand for it: an old one that answers without the stat, one with it, and those of containers and of znodes with a TTL.
 */
import { createFlags, opCode } from '../constants.ts';
import type { JuteReader, JuteWriter } from '../jute.ts';
import { readAcl, readStat, type Acl, type Stat, writeAcl, writeStat } from '../records.ts';
import type { Message } from './message.ts';

export interface CreateRequest {
  readonly type: 'create';
  readonly path: string;
  /** null is not the same as empty: it is given back as null. */
  readonly data: Uint8Array | null;
  readonly acl: readonly Acl[];
  readonly flags: number;
  readonly ttlMs?: bigint;
  /** Answered with the stat (create2, container, TTL) or without (create). */
  readonly withStat: boolean;
}

export interface CreateResponse {
  readonly path: string;
  /** null from the old message, which does not tell it. */
  readonly stat: Stat | null;
}

interface CreatedWithStat {
  readonly path: string;
  readonly stat: Stat;
}

/** The message for znodes of that kind (`createFlags`) that is answered with the stat. */
export function createMessageFor(flags: number): Message<CreateRequest, CreatedWithStat> {
  return answeredWithStat.get(createOpCode(flags, true))!;
}

export function createOpCode(flags: number, withStat: boolean): number {
  if (flags === createFlags.container) return opCode.createContainer;
  if (hasTtl(flags)) return opCode.createTtl;
  return withStat ? opCode.create2 : opCode.create;
}

const hasTtl = (flags: number) =>
  flags === createFlags['persistent-ttl'] || flags === createFlags['persistent-sequential-ttl'];

export function writeCreate(w: JuteWriter, o: CreateRequest): void {
  w.string(o.path).buffer(o.data).vector(o.acl, writeAcl).int(o.flags);
  if (hasTtl(o.flags)) w.long(o.ttlMs ?? 0n);
}

export function readCreate(r: JuteReader, op: number): CreateRequest {
  const path = r.string();
  const data = r.buffer();
  const acl = r.vector(readAcl);
  const flags = r.int();
  const base = { type: 'create' as const, path, data, acl, flags, withStat: op !== opCode.create };
  return op === opCode.createTtl ? { ...base, ttlMs: r.long() } : base;
}

export function writeCreated(w: JuteWriter, { path, stat }: CreateResponse): void {
  w.string(path);
  if (stat) writeStat(w, stat);
}

const answeredWithStat = new Map(
  [opCode.create2, opCode.createContainer, opCode.createTtl].map(
    (op): [number, Message<CreateRequest, CreatedWithStat>] => [
      op,
      {
        op,
        repeatable: false,
        sizeOf: ({ path, data }) => (data?.length ?? 0) + path.length + 128,
        writeRequest: writeCreate,
        readRequest: (r) => readCreate(r, op),
        writeResponse: writeCreated,
        readResponse: (r) => ({ path: r.string(), stat: readStat(r) }),
      },
    ],
  ),
);
