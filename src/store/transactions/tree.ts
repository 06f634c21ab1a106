/** Reads and removals where a znode that is not there, or not any more, is nothing to worry about. */
import { type NodeData, NoNodeError, NotEmptyError, type ZooKeeper } from '@nodepool/zookeeper';

/** Sorted; none where there is no such znode. */
export async function childrenOf(client: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return [...(await client.children(path)).children].sort();
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

export async function readIfThere(client: ZooKeeper, path: string): Promise<NodeData | null> {
  try {
    return await client.get(path);
  } catch (error) {
    if (error instanceof NoNodeError) return null;
    throw error;
  }
}

/** With everything below it, also what others put there meanwhile. */
export async function deleteTree(client: ZooKeeper, path: string): Promise<void> {
  for (;;) {
    for (const name of await childrenOf(client, path)) await deleteTree(client, `${path}/${name}`);
    try {
      await client.delete(path);
      return;
    } catch (error) {
      if (error instanceof NoNodeError) return;
      if (!(error instanceof NotEmptyError)) throw error;
    }
  }
}
