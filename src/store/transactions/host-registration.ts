/**
 * Registers the nodes of a host of an inventory, which become ready without a launch. Several launchers may have the same
 * hosts in their configuration: one at a time registers a host, and knows then what the others have registered.
 */
import { encodeNode, newNode, type NodeFields, withNodeId } from '../../records/node.ts';
import {
  type HeldLock,
  type MultiOperation,
  type MultiResult,
  removeLockDirectory,
  tryLock,
} from '@nodepool/zookeeper';
import { lastName, paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';

export type Registered = NodeFields & { readonly state: 'ready' };

/**
 * `missing` is asked under the lock, when the mirror knows all that was registered before. False: another launcher is at
 * that host, or the mirror is behind.
 */
export async function registerHost(
  store: Store,
  provider: string,
  host: string,
  missing: () => readonly Registered[],
): Promise<boolean> {
  const { client, runtime } = store;
  const path = paths.hostLock(provider, host);
  const result = await tryLock({ client, runtime, path, createParents: true });
  if (result.result !== 'acquired') return false;
  try {
    if (!(await store.nodes.mirror.catchUp())) return false;
    await createUnder(store, result.lock, missing());
    return true;
  } finally {
    await result.lock.release();
    await removeLockDirectory(client, path);
  }
}

async function createUnder(store: Store, lock: HeldLock, nodes: readonly Registered[]): Promise<void> {
  if (nodes.length === 0) return;
  const { client, runtime } = store;
  const created = nodes.map((fields) => newNode(fields, runtime.nowMs()));
  await client.ensurePath(paths.nodes);
  const results = await client.multi([
    // With our session the lock may have gone to another launcher.
    { type: 'check', path: lock.path, version: 0 },
    ...created.map((node): MultiOperation => {
      return { type: 'create', path: `${paths.nodes}/`, data: encodeNode(node), mode: 'persistent-sequential' };
    }),
  ]);
  created.forEach((node, index) => {
    const made = results[index + 1] as Extract<MultiResult, { type: 'create' }>;
    const id = lastName(made.path);
    store.nodes.mirror.ownCreate(id, withNodeId(node, id), made.stat);
  });
}
