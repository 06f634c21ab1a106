/** Reads of a tree that tell whether somebody changed it meanwhile. */
import type { ZooKeeper } from '@nodepool/zookeeper';

export interface Changes {
  count: number;
  first: string | null;
}

export async function watched<T>(client: ZooKeeper, root: string, read: (changes: Changes) => Promise<T>): Promise<T> {
  const changes: Changes = { count: 0, first: null };
  const watch = await client.addWatch(root, 'persistent-recursive', ({ type, path }) => {
    // What has children tells of each of them; the children tell themselves.
    if (type === 'children-changed') return;
    changes.count++;
    changes.first ??= path;
  });
  const offState = client.onState((state) => {
    // Nobody knows what happened until the connection was there again.
    if (state === 'suspended' || state === 'expired') changes.count++;
  });
  try {
    const result = await read(changes);
    // Events come in the order of the transactions: those before this are here when it is answered.
    await client.sync(root);
    return result;
  } finally {
    offState();
    await watch.close();
  }
}
