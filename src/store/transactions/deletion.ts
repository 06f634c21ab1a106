/** The end of a node: locked and marked `deleting`, and removed once its instance is gone. */
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeRecord, updateNode } from '../../records/node.ts';
import { BadVersionError, NoNodeError, sortContenders, type ZooKeeper } from '@nodepool/zookeeper';
import { sleep } from '../../base/runtime.ts';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import { commit, nameAt, statAt } from './commit.ts';
import { HeldNode } from './held.ts';
import { mostAttempts, type Refused, refused } from './outcome.ts';
import { NewContender, releaseProof } from './new-contender.ts';
import { type LockedNode, lockNode } from './nodes.ts';

/** So long others have to leave a lock that they only tried. */
const othersLeaveMs = 20;

/** Locks the node and marks it `deleting`. `expect` is asked about what the mirror has, or what is read under the lock. */
export async function startDeleting(
  store: Store,
  id: string,
  expect: (node: NodeRecord) => boolean,
): Promise<LockedNode | Refused> {
  const entry = store.nodes.get(id);
  if (!entry?.node || isBroken(entry.node)) return refused('gone');
  if (entry.locked) return refused('locked');
  if (!expect(entry.node)) return refused('changed');
  const { state } = entry.node;
  // Others may want such a node for something else: it is not written before it is locked.
  if (state === 'ready' || state === 'hold') return deleteLocked(store, id, expect);
  // Where there is no lock directory yet (or no node any more) the recipe makes it.
  return (await deleteAtOnce(store, id, entry.node, entry.version)) ?? deleteLocked(store, id, expect);
}

/**
 * Locks and marks the node in one transaction, then makes sure that nobody stood in the lock before us; the versioned write
 * and the same goal of all who would delete such a node make that order safe. null: there is no lock directory.
 */
async function deleteAtOnce(
  store: Store,
  id: string,
  seen: NodeRecord,
  version: number,
): Promise<LockedNode | Refused | null> {
  const { client, runtime } = store;
  const contender = new NewContender(runtime, paths.nodeLock(id));
  const node = updateNode(seen, { state: 'deleting' }, runtime.nowMs());
  const data = encodeNode(node);
  const own = store.nodes.mirror.ownWrite(id);
  const started = await commit(client, {
    operations: [contender.creation(), { type: 'set', path: paths.node(id), data, version }],
    proof: contender.proof,
    announced: [own],
  });
  switch (started.outcome) {
    case 'done': {
      const { results } = started;
      const stat = statAt(results, 1);
      own.committed(node, stat);
      return ifFirst(client, new HeldNode(store, contender.heldLock(client, nameAt(results, 0)), node, stat.version));
    }
    case 'expired':
      return refused('session');
    case 'applied':
      // Unlocked, the node is found again as one that is `deleting`.
      await contender.withdraw(client, started.contender);
      throw started.error;
    case 'not-applied':
    case 'unknown':
      throw started.error;
    case 'refused':
      if (started.reason instanceof BadVersionError) return refused('changed');
      if (started.reason instanceof NoNodeError) return null;
      throw started.error;
  }
}

async function deleteLocked(
  store: Store,
  id: string,
  expect: (node: NodeRecord) => boolean,
): Promise<LockedNode | Refused> {
  const locked = await lockNode(store, id, expect);
  if (!locked.ok) return locked;
  const written = await locked.node.write({ state: 'deleting' });
  if (written.ok) return locked;
  await locked.node.release();
  return written;
}

/** Withdraws when somebody stood in the lock before us. */
async function ifFirst(client: ZooKeeper, held: HeldNode): Promise<LockedNode | Refused> {
  try {
    const { children } = await client.children(held.lock.directory);
    if (sortContenders(children)[0] === held.lock.contender) return { ok: true, node: held };
  } catch (error) {
    await held.release();
    throw error;
  }
  await held.release();
  return refused('locked');
}

/**
 * Removes contender, lock directory and node together. With others in the lock it is tried again for a moment; then the
 * node is left as `deleted`, unlocked, for whoever finds it next.
 */
export async function finishDeleting({ client, runtime }: Store, held: HeldNode): Promise<void> {
  const { lock } = held;
  let tries = 0;
  while (held.held) {
    const removed = await commit(client, {
      operations: [
        lock.releaseOperation(),
        { type: 'delete', path: lock.directory },
        { type: 'delete', path: paths.node(held.id) },
      ],
      proof: releaseProof(lock),
      announced: [],
    });
    switch (removed.outcome) {
      case 'done':
      case 'applied':
        return lock.forget();
      case 'expired':
      case 'unknown':
        // Whoever holds the lock after our session goes on.
        return;
      case 'not-applied':
        continue;
      case 'refused':
        if (removed.index === 2 && removed.reason instanceof NoNodeError) return;
    }
    // Somebody else stands in the lock. Their contenders are theirs: without one its owner would believe to be alone with
    // the node. Who only tries goes at once, who waits has to see what has become of the node.
    if (held.node.state !== 'deleted') {
      const written = await held.write({ state: 'deleted' });
      if (!written.ok && written.reason !== 'changed') return;
    }
    if (++tries >= mostAttempts) return held.release();
    await sleep(runtime, othersLeaveMs);
  }
}
