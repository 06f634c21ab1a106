/** The hand-over of a request's nodes to its consumer. */
import { encodeNode, type NodeFields, updateNode } from '../../records/node.ts';
import { encodeRequest, type RequestFields, updateRequest } from '../../records/request.ts';
import { BadVersionError, type MultiOperation, type MultiResult, NotEmptyError } from '@nodepool/zookeeper';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import { commit, statAt, type Transaction } from './commit.ts';
import type { HeldNode, HeldRequest } from './held.ts';
import { done, mostAttempts, type Outcome, refused } from './outcome.ts';
import { releaseProof } from './new-contender.ts';
import { findContender } from './unknown-outcome.ts';

export interface HandedNode {
  readonly held: HeldNode;
  /** What is written of the node; {}: nothing. */
  readonly fields: NodeFields;
}

/** Writes and unlocks the nodes, writes the request and unlocks it, in one transaction. */
export async function fulfil(
  store: Store,
  request: HeldRequest,
  nodes: readonly HandedNode[],
  fields: RequestFields,
): Promise<Outcome> {
  let keepsDirectory = false;
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (!request.held || nodes.some(({ held }) => !held.held)) return refused('session');
    const { transaction, requestAt, answered } = handOver(store, request, nodes, fields, keepsDirectory);
    const result = await commit(store.client, transaction);
    switch (result.outcome) {
      case 'done':
        answered(result.results);
        forgetLocks(request, nodes);
        return done;
      case 'applied':
        return afterLostAnswer(store, request, nodes);
      case 'not-applied':
        continue;
      case 'expired':
      case 'unknown':
        return refused('session');
      case 'refused': {
        const { index, reason } = result;
        if (index > requestAt + 1 && reason instanceof NotEmptyError) {
          // Somebody else tries for the lock at this moment.
          keepsDirectory = true;
        } else if (index === requestAt && reason instanceof BadVersionError) {
          if (!(await request.refresh())) return refused('gone');
        } else return refused(index === requestAt ? 'gone' : 'changed');
      }
    }
  }
  return refused('changed');
}

interface HandOver {
  readonly transaction: Transaction;
  /** Where the write of the request stands among the operations; its unlocking comes next. */
  readonly requestAt: number;
  /** Takes over what the answer says of the writes. */
  readonly answered: (results: readonly MultiResult[]) => void;
}

function handOver(
  store: Store,
  request: HeldRequest,
  nodes: readonly HandedNode[],
  fields: RequestFields,
  keepsDirectory: boolean,
): HandOver {
  const { lock, entry } = request;
  const nowMs = store.runtime.nowMs();
  const next = updateRequest(entry.request, fields, nowMs);
  const writes = nodes
    .filter((node) => Object.keys(node.fields).length > 0)
    .map(({ held, fields: changes }) => ({
      held,
      node: updateNode(held.node, changes, nowMs),
      own: store.nodes.mirror.ownWrite(held.id),
    }));
  const own = store.requests.mirror.ownWrite(request.id);
  // In the contract's order: nodes ready, nodes unlocked, request fulfilled, request unlocked.
  const operations: MultiOperation[] = [
    ...writes.map(({ held, node }): MultiOperation => {
      return { type: 'set', path: paths.node(held.id), data: encodeNode(node), version: held.version };
    }),
    ...nodes.map(({ held }) => held.lock.releaseOperation()),
    { type: 'set', path: paths.request(request.id), data: encodeRequest(next), version: entry.version },
    lock.releaseOperation(),
  ];
  if (!keepsDirectory) operations.push({ type: 'delete', path: lock.directory });
  const requestAt = writes.length + nodes.length;
  return {
    // The request's document proves nothing: a consumer may have taken the nodes and deleted it already.
    transaction: { operations, proof: releaseProof(lock), announced: [...writes.map((write) => write.own), own] },
    requestAt,
    answered: (results) => {
      writes.forEach((write, index) => {
        write.own.committed(write.node, statAt(results, index));
        write.held.wrote(write.node, statAt(results, index));
      });
      own.committed(next, statAt(results, requestAt));
    },
  };
}

/** Our place in the request's lock has gone, but somebody else may have removed it: the first node's lock tells for sure. */
async function afterLostAnswer(store: Store, request: HeldRequest, nodes: readonly HandedNode[]): Promise<Outcome> {
  const lock = nodes[0]?.held.lock;
  const found = lock && (await findContender(store.client, lock.directory, lock.contender));
  if (found === 'session') return refused('session');
  // With the nodes still locked nothing was handed over.
  if (found && found.name !== null) return refused('gone');
  forgetLocks(request, nodes);
  return done;
}

function forgetLocks(request: HeldRequest, nodes: readonly HandedNode[]): void {
  for (const { held } of nodes) held.lock.forget();
  request.lock.forget();
}
