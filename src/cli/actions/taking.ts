/** Takes the nodes of a fulfilled request as Zuul's executor does, and gives them back (spec: zuul-client, who changes what). */
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeRecord, parseNode, updateNode } from '../../records/node.ts';
import type { RequestRecord } from '../../records/request.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { type HeldLock, lock, NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { UserError } from '../../base/user-error.ts';

const lockPatienceMs = 30_000;

export interface Taken {
  readonly node: NodeRecord;
  readonly lock: HeldLock;
}

/** Locks all nodes, deletes the request, marks the nodes as in use. After a failure nothing stays locked. */
export async function take(client: ZooKeeper, answer: RequestRecord, signal: AbortSignal): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  try {
    for (const id of answer.nodes) taken.push(await takeOne(client, answer.id, id, signal));
    await deleteRequest(client, answer.id);
    return await Promise.all(
      taken.map(async ({ node, lock }) => {
        const used = updateNode(node, { state: 'in-use' }, systemRuntime.nowMs());
        await client.set(paths.node(node.id), encodeNode(used));
        return { node: used, lock };
      }),
    );
  } catch (error) {
    // Nodes that are still ready are freed by the launcher, those in use are deleted.
    await Promise.allSettled(taken.map((t) => t.lock.release()));
    throw error;
  }
}

async function takeOne(client: ZooKeeper, requestId: string, id: string, signal: AbortSignal): Promise<Taken> {
  const lockDeps = { client, runtime: systemRuntime, path: paths.nodeLock(id), createParents: false };
  const locked = await lock(lockDeps, { timeoutMs: lockPatienceMs, signal });
  if (locked.result !== 'acquired') {
    throw new UserError(
      `node ${id} could not be locked: ${locked.result === 'gone' ? 'it is gone' : 'it stays locked'}`,
    );
  }
  try {
    const node = parseNode(id, (await client.get(paths.node(id))).data);
    if (isBroken(node)) throw new UserError(`the document of node ${id} can't be read: ${node.message}`);
    if (node.allocatedTo !== requestId || node.state !== 'ready') {
      const owner = node.allocatedTo ?? 'nobody';
      throw new UserError(`node ${id} is not ours to take: it is ${node.state}, allocated to ${owner}`);
    }
    return { node, lock: locked.lock };
  } catch (error) {
    await locked.lock.release();
    throw error;
  }
}

export async function deleteRequest(client: ZooKeeper, id: string): Promise<void> {
  await client.delete(paths.request(id)).catch((error: unknown) => {
    if (!(error instanceof NoNodeError)) throw error;
  });
}

/** Marks the nodes as used and unlocks them. A node whose lock was lost with its session is not ours and is not written. */
export async function giveBack(client: ZooKeeper, taken: readonly Taken[]): Promise<void> {
  const results = await Promise.allSettled(
    taken.map(async ({ node, lock }) => {
      if (!lock.held)
        throw new UserError(`the lock of node ${node.id} was lost with its session; it is not ours any more`);
      const used = updateNode(node, { state: 'used' }, systemRuntime.nowMs());
      try {
        await client.set(paths.node(node.id), encodeNode(used));
      } finally {
        await lock.release();
      }
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason as Error;
}
