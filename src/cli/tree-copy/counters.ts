/**
 * ZooKeeper numbers children by their parent's count of creations, which nobody can set. What is made and deleted in one
 * transaction counts, and is seen by nobody.
 */
import { type MultiOperation, NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { nextNumber } from './entry.ts';
import { despiteLosses } from './despite-losses.ts';

/** Pairs of creation and deletion in one transaction. */
const mostTogether = 400;
const empty = Buffer.alloc(0);

/** Until the next child gets at least the number `want`. Tells how many numbers were passed by. */
export async function raiseCounter(
  client: ZooKeeper,
  path: string,
  want: number,
  passed: (count: number) => void,
): Promise<void> {
  // A lost answer leaves open how far it has come: that is read again.
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
