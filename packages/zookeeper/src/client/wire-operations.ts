/** Operations of the client's users as the protocol has them, and the results of a multi back again. */
import { createFlags, errorCode } from '../protocol/constants.ts';
import type { WireOperation, WireResult } from '../protocol/messages/multi.ts';
import { openAcl } from '../protocol/records.ts';
import type { Chroot } from './chroot.ts';
import { BadArgumentsError, errorOf, MultiError } from '../contract/errors.ts';
import type { Acl, CreateMode, MultiOperation, MultiResult, Stat } from '../contract/types.ts';

export function wireCreate(
  path: string,
  data: Uint8Array,
  mode: CreateMode,
  acl?: readonly Acl[],
  ttlMs?: number,
): Extract<WireOperation, { type: 'create' }> {
  const base = { type: 'create' as const, path, data, acl: acl ?? openAcl, flags: createFlags[mode], withStat: true };
  return ttlMs === undefined ? base : { ...base, ttlMs: BigInt(ttlMs) };
}

/** Throws BadArgumentsError. */
export function wireOperation(operation: MultiOperation, chroot: Chroot): WireOperation {
  chroot.check(operation.path, operation.type === 'create' && (operation.mode ?? '').includes('sequential'));
  const path = chroot.full(operation.path);
  switch (operation.type) {
    case 'create':
      return wireCreate(path, operation.data, operation.mode ?? 'persistent', operation.acl, operation.ttlMs);
    case 'set':
      return { type: 'set', path, data: operation.data, version: operation.version ?? -1 };
    case 'delete':
      return { type: 'delete', path, version: operation.version ?? -1 };
    case 'check':
      return { type: 'check', path, version: operation.version };
  }
}

/** Throws MultiError when the server has refused; `zxid` is that of the answer. */
export function multiResults(
  results: readonly WireResult[],
  operations: readonly MultiOperation[],
  zxid: bigint,
  chroot: Chroot,
): MultiResult[] {
  const failed = results.findIndex(
    (r) => r.type === 'error' && r.error !== 0 && r.error !== errorCode.runtimeInconsistency,
  );
  const index = failed >= 0 ? failed : results.findIndex((r) => r.type === 'error');
  if (index >= 0) {
    const result = results[index] as Extract<WireResult, { type: 'error' }>;
    throw new MultiError(index, errorOf(result.error, operations[index]?.path));
  }
  return results.map((result, at): MultiResult => {
    switch (result.type) {
      case 'create':
        return {
          type: 'create',
          path: chroot.strip(result.path),
          stat: result.stat ?? statOfNew(zxid, operations[at]!),
        };
      case 'set':
        return { type: 'set', stat: result.stat };
      case 'delete':
      case 'check':
        return { type: result.type };
      default:
        throw new BadArgumentsError('bad-arguments', `the server answered a multi with ${result.type}`);
    }
  });
}

/** Apache ZooKeeper 3.8 answers a create within a multi without its stat: what a new node's stat must be. */
function statOfNew(zxid: bigint, operation: MultiOperation): Stat {
  return {
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: 0n,
    mtime: 0n,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    dataLength: 'data' in operation ? operation.data.length : 0,
    numChildren: 0,
  };
}
