/** Reads a live tree as entries, parents first. Ephemeral znodes are left out and told. */
import { BatchedReads, type NodeData, NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { nextNumber, restricted, type TreeEntry, type TreeSource } from './entry.ts';

export interface WalkOptions {
  /** '/' or the top of a subtree. */
  readonly root: string;
  readonly onLeftOut?: (path: string) => void;
}

/** ZooKeeper's own subtree, which belongs to that server alone. */
const reserved = '/zookeeper';
const mostTogether = 64;

export async function* walkTree(client: ZooKeeper, { root, onLeftOut }: WalkOptions): AsyncGenerator<TreeEntry> {
  const reads = new BatchedReads(client);
  // Paths are taken from the end, so that the list of waiting ones stays small.
  const waiting = root === '/' ? await childPaths(reads, '/') : [root];
  while (waiting.length > 0) {
    const paths = waiting.splice(-mostTogether).reverse();
    const found = await Promise.all(paths.map((path) => readEntry(client, reads, path)));
    const below: string[][] = [];
    for (const one of found) {
      if (one === null) continue;
      if (one === 'own') continue;
      if (one.ephemeral) {
        onLeftOut?.(one.entry.path);
        continue;
      }
      yield one.entry;
      below.push(one.children);
    }
    for (const children of below.reverse()) waiting.push(...children);
  }
}

async function readEntry(client: ZooKeeper, reads: BatchedReads, path: string) {
  if (path === reserved) return 'own';
  const [node, acl] = await Promise.all([ifThere<NodeData>(reads.get(path)), ifThere(client.getAcl(path))]);
  if (!node || !acl) return null;
  const { stat, data } = node;
  const ephemeral = stat.ephemeralOwner !== 0n;
  const children = !ephemeral && stat.numChildren > 0 ? await childPaths(reads, path) : [];
  const entry: TreeEntry = { path, data, next: nextNumber(stat), acl: restricted(acl.acl) };
  return { entry, ephemeral, children };
}

/** The children's paths in reverse order, because they are taken from the end. */
async function childPaths(reads: BatchedReads, path: string): Promise<string[]> {
  const names = [...((await ifThere(reads.children(path))) ?? [])].sort().reverse();
  return names.map((name) => (path === '/' ? `/${name}` : `${path}/${name}`));
}

async function ifThere<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof NoNodeError) return null;
    throw error;
  }
}

export async function* counted(source: TreeSource, progress: { add(count: number): void }): AsyncGenerator<TreeEntry> {
  for await (const entry of source) {
    progress.add(1);
    yield entry;
  }
}
