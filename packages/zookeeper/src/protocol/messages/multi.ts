/**
 * Several operations in one request, several results in one answer: MultiHeader of zookeeper.jute around the bodies of the
 * single messages. A multi writes all or nothing; a multiRead reads, and each read succeeds or fails on its own.
 */
import { errorCode, opCode } from '../constants.ts';
import { type JuteReader, type JuteWriter, ProtocolError } from '../jute.ts';
import { readStat, type Stat, writeStat } from '../records.ts';
import { type CheckRequest, checkMessage } from './check.ts';
import { createOpCode, type CreateRequest, readCreate, writeCreate, writeCreated } from './create.ts';
import { deleteMessage, type DeleteRequest } from './delete.ts';
import { getChildrenMessage, readNames, writeNames } from './get-children.ts';
import { getDataMessage } from './get-data.ts';
import type { Message } from './message.ts';
import { setDataMessage, type SetDataRequest } from './set-data.ts';

export interface MultiReadRequest {
  readonly type: 'get' | 'children';
  readonly path: string;
}

export type WireOperation = CreateRequest | DeleteRequest | SetDataRequest | CheckRequest | MultiReadRequest;

export type WireResult =
  | { readonly type: 'create'; readonly path: string; readonly stat: Stat | null }
  | { readonly type: 'delete' }
  | { readonly type: 'set'; readonly stat: Stat }
  | { readonly type: 'check' }
  | { readonly type: 'get'; readonly data: Buffer | null; readonly stat: Stat }
  | { readonly type: 'children'; readonly children: string[] }
  | { readonly type: 'error'; readonly error: number };

type Results = readonly WireResult[];

export const multiMessage: Message<readonly WireOperation[], WireResult[], Results> = {
  op: opCode.multi,
  repeatable: false,
  // Which operation was refused, and why.
  explainsRefusals: true,
  sizeOf: (operations) => operations.reduce((sum, o) => sum + 96 + o.path.length + dataLength(o), 0),
  writeRequest: writeMulti,
  readRequest: readMulti,
  writeResponse: writeMultiResults,
  readResponse: readMultiResults,
};

export const multiReadMessage: Message<readonly WireOperation[], WireResult[], Results> = {
  op: opCode.multiRead,
  repeatable: true,
  writeRequest: writeMulti,
  readRequest: readMulti,
  writeResponse: writeMultiResults,
  readResponse: readMultiResults,
};

const maxOperations = 100_000;

const dataLength = (o: WireOperation) => ('data' in o ? (o.data?.length ?? 0) : 0);

export function writeMulti(w: JuteWriter, operations: readonly WireOperation[]): void {
  for (const o of operations) {
    switch (o.type) {
      case 'create':
        header(w, createOpCode(o.flags, o.withStat));
        writeCreate(w, o);
        break;
      case 'delete':
        part(w, deleteMessage, o);
        break;
      case 'set':
        part(w, setDataMessage, o);
        break;
      case 'check':
        part(w, checkMessage, o);
        break;
      case 'get':
        part(w, getDataMessage, { path: o.path, watch: false });
        break;
      case 'children':
        part(w, getChildrenMessage, { path: o.path, watch: false });
    }
  }
  end(w);
}

function part<Request>(w: JuteWriter, message: Message<Request, unknown, never>, request: Request): void {
  header(w, message.op);
  message.writeRequest(w, request);
}

function header(w: JuteWriter, type: number, error = -1): void {
  w.int(type).bool(false).int(error);
}

function end(w: JuteWriter): void {
  w.int(-1).bool(true).int(-1);
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
      return deleteMessage.readRequest(r);
    case opCode.setData:
      return setDataMessage.readRequest(r);
    case opCode.check:
      return checkMessage.readRequest(r);
    case opCode.getData:
      return { type: 'get', path: getDataMessage.readRequest(r).path };
    case opCode.getChildren:
      return { type: 'children', path: getChildrenMessage.readRequest(r).path };
    default:
      throw new ProtocolError(`operation ${type} is not allowed in a multi`);
  }
}

export function writeMultiResults(w: JuteWriter, results: Results): void {
  for (const result of results) {
    switch (result.type) {
      case 'create':
        header(w, result.stat ? opCode.create2 : opCode.create, 0);
        writeCreated(w, result);
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
        getDataMessage.writeResponse(w, result);
        break;
      case 'children':
        header(w, opCode.getChildren, 0);
        writeNames(w, result.children);
        break;
      case 'error':
        header(w, opCode.error, result.error);
        w.int(result.error);
    }
  }
  end(w);
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
      return { type: 'set', stat: setDataMessage.readResponse(r) };
    case opCode.check:
      return { type: 'check' };
    case opCode.getData: {
      const { data, stat } = getDataMessage.readResponse(r);
      return { type: 'get', data, stat };
    }
    case opCode.getChildren:
      return { type: 'children', children: readNames(r) };
    case opCode.error:
      return { type: 'error', error: r.int() || errorCode.runtimeInconsistency };
    default:
      throw new ProtocolError(`result ${type} in a multi`);
  }
}
