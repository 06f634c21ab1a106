/** Tells of a read whether somebody changed the tree meanwhile. */
import type { ZooKeeper } from '@nodepool/zookeeper';

export interface Changes {
  count: number;
  first: string | null;
}

export async function watched<T>(client: ZooKeeper, root: string, read: (changes: Changes) => Promise<T>): Promise<T> {
  const changes: Changes = { count: 0, first: null };
  const watch = await client.addWatch(root, 'persistent-recursive', ({ type, path }) => {
    // A parent's event repeats what the event of the child tells.
    if (type === 'children-changed') return;
    changes.count++;
    changes.first ??= path;
  });
  const offState = client.onState((state) => {
    // Changes during a lost connection are not heard of, so one is assumed.
    if (state === 'suspended' || state === 'expired') changes.count++;
  });
  try {
    const result = await read(changes);
    // Events come in the order of transactions, so all earlier ones are here when this is answered.
    await client.sync(root);
    return result;
  } finally {
    offState();
    await watch.close();
  }
}
