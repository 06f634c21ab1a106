/**
 * Raises the counters by which ZooKeeper numbers children. A counter is the parent's count of creations, which nobody can set;
 * a child that one transaction makes and deletes counts, and nobody sees it.
 */
import { type MultiOperation, NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { nextNumber } from './entry.ts';
import { despiteLosses } from './despite-losses.ts';

/** Most pairs of creation and deletion in one transaction. */
const mostTogether = 400;
const empty = Buffer.alloc(0);

/** Raises the counter until the next child gets at least the number `want`; `passed` is told of each step. */
export async function raiseCounter(
  client: ZooKeeper,
  path: string,
  want: number,
  passed: (count: number) => void,
): Promise<void> {
  // After a lost answer the counter is read again: nobody knows how far it has come.
  await despiteLosses(async () => {
    const stat = await client.exists(path);
    if (!stat) throw new NoNodeError('no-node', `${path} has gone`, { path });
    let left = want - nextNumber(stat);
    while (left > 0) {
      const count = Math.min(mostTogether, left);
      await client.multi(placeholders(`${path}/nodepool-import`, count));
      left -= count;
      passed(count);
    }
  });
}

function placeholders(path: string, count: number): MultiOperation[] {
  return Array.from({ length: count }).flatMap(() => [
    { type: 'create', path, data: empty } as const,
    { type: 'delete', path } as const,
  ]);
}
