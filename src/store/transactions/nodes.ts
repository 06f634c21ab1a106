/** The steps in the life of a node but for its end: made, locked for its launch or out of the stock, freed. */
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeFields, type NodeRecord, parseNode, updateNode, withNodeId } from '../../records/node.ts';
import {
  BadVersionError,
  MultiError,
  type MultiOperation,
  type MultiResult,
  NoNodeError,
  tryLock,
  type ZooKeeperError,
} from '@nodepool/zookeeper';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import type { NodeEntry } from '../mirrors/views.ts';
import { commit, nameAt, statAt } from './commit.ts';
import { HeldNode } from './held.ts';
import { mostAttempts, type Refused, refused } from './outcome.ts';
import { NewContender } from './new-contender.ts';

export type LockedNode = { readonly ok: true; readonly node: HeldNode };

export async function createNodes(store: Store, nodes: readonly NodeRecord[]): Promise<readonly NodeEntry[]> {
  if (nodes.length === 0) return [];
  const create = () => store.client.multi(nodes.map(nodeCreation));
  const results = await create().catch(async (error: unknown) => {
    if (!(error instanceof MultiError && error.error instanceof NoNodeError)) throw error;
    await store.client.ensurePath(paths.nodes);
    return create();
  });
  return createdNodes(store, nodes, results);
}

/** ZooKeeper numbers the node. */
export function nodeCreation(node: NodeRecord): MultiOperation {
  return { type: 'create', path: `${paths.nodes}/`, data: encodeNode(node), mode: 'persistent-sequential' };
}

/** Tells the mirror of created nodes. `results`: those of their creations, in the same order. */
export function createdNodes(
  store: Store,
  nodes: readonly NodeRecord[],
  results: readonly MultiResult[],
): readonly NodeEntry[] {
  return nodes.map((node, index) => {
    const id = nameAt(results, index);
    const stat = statAt(results, index);
    const created = withNodeId(node, id);
    store.nodes.mirror.ownCreate(id, created, stat);
    return { id, node: created, version: stat.version, contenders: new Set(), locked: false };
  });
}

/** Locks a node that nobody else has touched yet and writes `fields`, in one transaction. */
export async function startBuilding(store: Store, entry: NodeEntry, fields: NodeFields): Promise<LockedNode | Refused> {
  if (!entry.node || isBroken(entry.node)) return refused('changed');
  const { client, runtime } = store;
  const contender = new NewContender(runtime, paths.nodeLock(entry.id));
  const node = updateNode(entry.node, fields, runtime.nowMs());
  const data = encodeNode(node);
  const locked = (name: string, version: number): LockedNode => {
    return { ok: true, node: new HeldNode(store, contender.heldLock(client, name), node, version) };
  };
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const own = store.nodes.mirror.ownWrite(entry.id);
    const started = await commit(client, {
      operations: [
        contender.directoryCreation(),
        contender.creation(),
        { type: 'set', path: paths.node(entry.id), data, version: entry.version },
      ],
      proof: contender.proof,
      announced: [own],
    });
    switch (started.outcome) {
      case 'done': {
        const stat = statAt(started.results, 2);
        own.committed(node, stat);
        return locked(nameAt(started.results, 1), stat.version);
      }
      case 'applied':
        // The version is the one after what was read.
        return locked(started.contender, entry.version + 1);
      case 'not-applied':
        continue;
      case 'expired':
      case 'unknown':
        return refused('session');
      case 'refused':
        return refused(whyUntouched(started.reason));
    }
  }
  return refused('changed');
}

function whyUntouched(reason: ZooKeeperError): Refused['reason'] {
  if (reason instanceof NoNodeError) return 'gone';
  return reason instanceof BadVersionError ? 'changed' : 'locked';
}

/** Non-blocking; makes no node that is not there. `expect` is asked about what is read under the lock. */
export async function lockNode(
  store: Store,
  id: string,
  expect: (node: NodeRecord) => boolean,
): Promise<LockedNode | Refused> {
  const { client, runtime } = store;
  const result = await tryLock({ client, runtime, path: paths.nodeLock(id), createParents: false });
  if (result.result !== 'acquired') return refused(result.result);
  try {
    const { data, stat } = await client.get(paths.node(id));
    const node = parseNode(id, data);
    if (!isBroken(node) && expect(node)) {
      return { ok: true, node: new HeldNode(store, result.lock, node, stat.version) };
    }
    await result.lock.release();
    return refused('changed');
  } catch (error) {
    await result.lock.release();
    if (error instanceof NoNodeError) return refused('gone');
    throw error;
  }
}

/** Puts a ready node of the request back into the stock. One that has changed or gone meanwhile is left alone. */
export async function freeNode(store: Store, id: string, requestId: string): Promise<void> {
  const entry = store.nodes.get(id);
  if (!entry?.node || isBroken(entry.node) || entry.node.allocatedTo !== requestId || entry.node.state !== 'ready')
    return;
  const node = updateNode(entry.node, { allocatedTo: null }, store.runtime.nowMs());
  const own = store.nodes.mirror.ownWrite(id);
  try {
    own.committed(node, await store.client.set(paths.node(id), encodeNode(node), entry.version));
  } catch (error) {
    own.failed();
    if (!(error instanceof NoNodeError || error instanceof BadVersionError)) throw error;
  }
}

/** Asks ZooKeeper itself, up to date with every write before the call. */
export async function nodeExists({ client }: Store, id: string): Promise<boolean> {
  await client.sync(paths.node(id));
  return (await client.exists(paths.node(id))) !== null;
}
