/** Removal of what nobody will remove by himself. */
import { removeLockDirectory } from '@nodepool/zookeeper';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import { requestExists } from './requests.ts';
import { deleteTree } from './tree.ts';

/** A node znode without a usable document, with whatever hangs below it. */
export async function removeBrokenNode({ client }: Store, id: string): Promise<void> {
  const { data } = await client.get(paths.node(id)).catch(() => ({ data: null }));
  if (data && data.length > 0) return;
  await deleteTree(client, paths.node(id));
}

/** Lock directories of requests that are no more, untouched for `olderThanMs`. */
export async function sweepRequestLocks(store: Store, olderThanMs: number): Promise<void> {
  const { client, runtime } = store;
  const { children } = await client.children(paths.requestLocks).catch(() => ({ children: [] }));
  for (const id of children) {
    if (store.requests.get(id)) continue;
    const stat = await client.exists(paths.requestLock(id));
    // A contender goes with its session: whoever stands there is still at work.
    if (!stat || stat.numChildren > 0 || Number(stat.mtime) > runtime.nowMs() - olderThanMs) continue;
    if (!(await requestExists(store, id))) await removeLockDirectory(client, paths.requestLock(id));
  }
}
