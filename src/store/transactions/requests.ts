/** The steps in the life of a request up to its hand-over. Its lock lies apart from it (spec: ZooKeeper data model). */
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord } from '../../records/node.ts';
import {
  encodeRequest,
  newRequest,
  parseRequest,
  type RequestFields,
  type RequestRecord,
  updateRequest,
  withRequestId,
} from '../../records/request.ts';
import {
  BadVersionError,
  type HeldLock,
  NodeExistsError,
  NoNodeError,
  removeLockDirectory,
  tryLock,
} from '@nodepool/zookeeper';
import { lastName, paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import type { NodeEntry, RequestEntry } from '../mirrors/views.ts';
import { commit, nameAt, statAt } from './commit.ts';
import { HeldRequest } from './held.ts';
import { type Refused, refused } from './outcome.ts';
import { NewContender } from './new-contender.ts';
import { createdNodes, createNodes, freeNode, nodeCreation } from './nodes.ts';

export type AcceptedRequest = {
  readonly ok: true;
  readonly request: HeldRequest;
  readonly nodes: readonly NodeEntry[];
};
export type LockedRequest = { readonly ok: true; readonly request: HeldRequest };

export async function createRequest(
  store: Store,
  fields: RequestFields,
  priority: string,
  options: { readonly ephemeral: boolean },
): Promise<RequestEntry> {
  const { client, runtime } = store;
  const eventId = fields.eventId ?? runtime.randomHex(32);
  const request = newRequest({ ...fields, eventId }, runtime.nowMs());
  const data = encodeRequest(request);
  const mode = options.ephemeral ? 'ephemeral-sequential' : 'persistent-sequential';
  const create = () => client.create(`${paths.requests}/${priority}-`, data, { mode });
  const made = await create().catch(async (error: unknown) => {
    if (!(error instanceof NoNodeError)) throw error;
    await client.ensurePath(paths.requests);
    return create();
  });
  const id = lastName(made.path);
  const created = withRequestId(request, id);
  store.requests.mirror.ownCreate(id, created, made.stat);
  return { id, request: created, version: made.stat.version };
}

/** A request that is gone already is no error. */
export async function deleteRequest({ client }: Store, id: string): Promise<void> {
  try {
    await client.delete(paths.request(id));
  } catch (error) {
    if (!(error instanceof NoNodeError)) throw error;
  }
}

export async function requestExists({ client }: Store, id: string): Promise<boolean> {
  return (await client.exists(paths.request(id))) !== null;
}

/**
 * Locks the request, writes `change` and creates the nodes, in one transaction. Where the request's lock directory exists
 * already, the lock's recipe goes first.
 */
export async function acceptRequest(
  store: Store,
  entry: RequestEntry,
  change: RequestFields,
  nodes: readonly NodeRecord[],
): Promise<AcceptedRequest | Refused> {
  if (isBroken(entry.request)) return refused('changed');
  const { client, runtime } = store;
  const contender = new NewContender(runtime, paths.requestLock(entry.id));
  const request = updateRequest(entry.request, change, runtime.nowMs());
  const data = encodeRequest(request);
  const own = store.requests.mirror.ownWrite(entry.id);
  const requestAt = 2;
  const accepted = await commit(client, {
    operations: [
      contender.directoryCreation(),
      contender.creation(),
      { type: 'set', path: paths.request(entry.id), data, version: entry.version },
      ...nodes.map(nodeCreation),
    ],
    proof: contender.proof,
    announced: [own],
  });
  switch (accepted.outcome) {
    case 'done': {
      const { results } = accepted;
      const stat = statAt(results, requestAt);
      own.committed(request, stat);
      const lock = contender.heldLock(client, nameAt(results, 1));
      return {
        ok: true,
        request: new HeldRequest(store, lock, request, stat.version),
        nodes: createdNodes(store, nodes, results.slice(requestAt + 1)),
      };
    }
    case 'expired':
      return refused('session');
    case 'applied':
      // The ids of the nodes are not known: without its lock the request is repaired as a lost one.
      await contender.withdraw(client, accepted.contender);
      throw accepted.error;
    case 'not-applied':
    case 'unknown':
      throw accepted.error;
    case 'refused': {
      const { index, reason } = accepted;
      if (reason instanceof NoNodeError && index === requestAt) return refused('gone');
      if (reason instanceof BadVersionError) return refused('changed');
      if (reason instanceof NodeExistsError) return acceptStepwise(store, entry.id, entry.request.state, change, nodes);
      if (!(reason instanceof NoNodeError)) throw accepted.error;
      await Promise.all([client.ensurePath(paths.requestLocks), client.ensurePath(paths.nodes)]);
      return acceptRequest(store, entry, change, nodes);
    }
  }
}

async function acceptStepwise(
  store: Store,
  id: string,
  state: RequestRecord['state'],
  change: RequestFields,
  nodes: readonly NodeRecord[],
): Promise<AcceptedRequest | Refused> {
  const locked = await lockRequest(store, id, (request) => request.state === state);
  if (!locked.ok) return locked;
  try {
    const written = await locked.request.update(change);
    if (written.ok) return { ok: true, request: locked.request, nodes: await createNodes(store, nodes) };
    await locked.request.release();
    return written;
  } catch (error) {
    // Unlocked, the request is repaired as a lost one.
    await locked.request.release();
    throw error;
  }
}

/** Non-blocking; `expect` is asked about what is read under the lock. */
export async function lockRequest(
  store: Store,
  id: string,
  expect: (request: RequestRecord) => boolean,
): Promise<LockedRequest | Refused> {
  const { client, runtime } = store;
  const result = await tryLock({ client, runtime, path: paths.requestLock(id), createParents: true });
  if (result.result !== 'acquired') return refused(result.result);
  try {
    const { data, stat } = await client.get(paths.request(id));
    const request = parseRequest(id, data);
    if (!isBroken(request) && expect(request)) {
      return { ok: true, request: new HeldRequest(store, result.lock, request, stat.version) };
    }
    await unlock(store, result.lock);
    return refused('changed');
  } catch (error) {
    await unlock(store, result.lock);
    if (error instanceof NoNodeError) return refused('gone');
    throw error;
  }
}

async function unlock({ client }: Store, lock: HeldLock): Promise<void> {
  await lock.release();
  await removeLockDirectory(client, lock.directory);
}

/** A fulfilled request for stock has done its duty: its nodes are free, the request goes. */
export async function freeNodesOf(store: Store, requestId: string, nodeIds: readonly string[]): Promise<void> {
  for (const id of nodeIds) await freeNode(store, id, requestId);
  await deleteRequest(store, requestId);
}
