/** multi and multiRead: a list of operations in one request, a list of results in one answer. */
import { errorCode, opCode } from './constants.ts';
import { JuteReader, type JuteWriter, ProtocolError } from './jute.ts';
import { readAcl, readStat, type WireAcl, type WireStat, writeAcl, writeStat } from './records.ts';

export type WireOperation =
  | {
      readonly type: 'create';
      readonly path: string;
      /** null is not the same as empty: it is given back as null. */
      readonly data: Uint8Array | null;
      readonly acl: readonly WireAcl[];
      readonly flags: number;
      readonly ttlMs?: bigint;
      /** Answered with the stat (create2, container, TTL) or without (create). */
      readonly withStat: boolean;
    }
  | { readonly type: 'delete'; readonly path: string; readonly version: number }
  | { readonly type: 'set'; readonly path: string; readonly data: Uint8Array | null; readonly version: number }
  | { readonly type: 'check'; readonly path: string; readonly version: number }
  | { readonly type: 'get'; readonly path: string }
  | { readonly type: 'children'; readonly path: string };

export type WireResult =
  | { readonly type: 'create'; readonly path: string; readonly stat: WireStat | null }
  | { readonly type: 'delete' }
  | { readonly type: 'set'; readonly stat: WireStat }
  | { readonly type: 'check' }
  | { readonly type: 'get'; readonly data: Buffer | null; readonly stat: WireStat }
  | { readonly type: 'children'; readonly children: string[] }
  | { readonly type: 'error'; readonly error: number };

const maxOperations = 100_000;

export function createOpCode(flags: number, withStat: boolean): number {
  if (flags === 4) return opCode.createContainer;
  if (flags === 5 || flags === 6) return opCode.createTtl;
  return withStat ? opCode.create2 : opCode.create;
}

export function writeCreate(w: JuteWriter, o: Extract<WireOperation, { type: 'create' }>): void {
  w.string(o.path).buffer(o.data).vector(o.acl, writeAcl).int(o.flags);
  if (o.flags === 5 || o.flags === 6) w.long(o.ttlMs ?? 0n);
}

export function readCreate(r: JuteReader, op: number): Extract<WireOperation, { type: 'create' }> {
  const path = r.string();
  const data = r.buffer();
  const acl = r.vector(readAcl);
  const flags = r.int();
  const base = { type: 'create' as const, path, data, acl, flags, withStat: op !== opCode.create };
  return op === opCode.createTtl ? { ...base, ttlMs: r.long() } : base;
}

export function writeMulti(w: JuteWriter, operations: readonly WireOperation[]): void {
  for (const o of operations) {
    switch (o.type) {
      case 'create':
        header(w, createOpCode(o.flags, o.withStat));
        writeCreate(w, o);
        break;
      case 'delete':
        header(w, opCode.delete);
        w.string(o.path).int(o.version);
        break;
      case 'set':
        header(w, opCode.setData);
        w.string(o.path).buffer(o.data).int(o.version);
        break;
      case 'check':
        header(w, opCode.check);
        w.string(o.path).int(o.version);
        break;
      case 'get':
        header(w, opCode.getData);
        w.string(o.path).bool(false);
        break;
      case 'children':
        header(w, opCode.getChildren);
        w.string(o.path).bool(false);
    }
  }
  w.int(-1).bool(true).int(-1);
}

function header(w: JuteWriter, type: number, error = -1): void {
  w.int(type).bool(false).int(error);
}

export function readMulti(r: JuteReader): WireOperation[] {
  const operations: WireOperation[] = [];
  for (;;) {
    const type = r.int();
    const done = r.bool();
    r.int();
    if (done) return operations;
    if (operations.length >= maxOperations) throw new ProtocolError('too many operations in a multi');
    operations.push(readOperation(r, type));
  }
}

function readOperation(r: JuteReader, type: number): WireOperation {
  switch (type) {
    case opCode.create:
    case opCode.create2:
    case opCode.createContainer:
    case opCode.createTtl:
      return readCreate(r, type);
    case opCode.delete:
      return { type: 'delete', path: r.string(), version: r.int() };
    case opCode.setData:
      return { type: 'set', path: r.string(), data: r.buffer(), version: r.int() };
    case opCode.check:
      return { type: 'check', path: r.string(), version: r.int() };
    case opCode.getData: {
      const path = r.string();
      r.bool();
      return { type: 'get', path };
    }
    case opCode.getChildren: {
      const path = r.string();
      r.bool();
      return { type: 'children', path };
    }
    default:
      throw new ProtocolError(`operation ${type} is not allowed in a multi`);
  }
}

export function writeMultiResults(w: JuteWriter, results: readonly WireResult[]): void {
  for (const result of results) {
    switch (result.type) {
      case 'create':
        header(w, result.stat ? opCode.create2 : opCode.create, 0);
        w.string(result.path);
        if (result.stat) writeStat(w, result.stat);
        break;
      case 'delete':
        header(w, opCode.delete, 0);
        break;
      case 'set':
        header(w, opCode.setData, 0);
        writeStat(w, result.stat);
        break;
      case 'check':
        header(w, opCode.check, 0);
        break;
      case 'get':
        header(w, opCode.getData, 0);
        w.buffer(result.data);
        writeStat(w, result.stat);
        break;
      case 'children':
        header(w, opCode.getChildren, 0);
        w.vector(result.children, (v, name) => v.string(name));
        break;
      case 'error':
        header(w, opCode.error, result.error);
        w.int(result.error);
    }
  }
  w.int(-1).bool(true).int(-1);
}

export function readMultiResults(r: JuteReader): WireResult[] {
  const results: WireResult[] = [];
  for (;;) {
    const type = r.int();
    const done = r.bool();
    r.int();
    if (done) return results;
    results.push(readResult(r, type));
  }
}

function readResult(r: JuteReader, type: number): WireResult {
  switch (type) {
    case opCode.create:
      return { type: 'create', path: r.string(), stat: null };
    case opCode.create2:
    case opCode.createContainer:
    case opCode.createTtl:
      return { type: 'create', path: r.string(), stat: readStat(r) };
    case opCode.delete:
      return { type: 'delete' };
    case opCode.setData:
      return { type: 'set', stat: readStat(r) };
    case opCode.check:
      return { type: 'check' };
    case opCode.getData:
      return { type: 'get', data: r.buffer(), stat: readStat(r) };
    case opCode.getChildren:
      return { type: 'children', children: r.vector((v) => v.string()) };
    case opCode.error:
      return { type: 'error', error: r.int() || errorCode.runtimeInconsistency };
    default:
      throw new ProtocolError(`result ${type} in a multi`);
  }
}
