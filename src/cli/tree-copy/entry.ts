/** A znode as it is copied from a tree to a file or to another tree, and the index by which two trees are compared. */
import { createHash } from 'node:crypto';
import type { Acl, Stat } from '@nodepool/zookeeper';

export interface TreeEntry {
  readonly path: string;
  readonly data: Buffer;
  /** The number that the next sequential child gets: how many children have been created so far. */
  readonly next: number;
  /** null: open to everybody, as everything that Nodepool and Zuul make. */
  readonly acl: readonly Acl[] | null;
}

/** Gives entries one by one, parents before their children. */
export type TreeSource = AsyncIterable<TreeEntry>;

/** An entry without its data, which would take too much memory for a whole tree; the digest serves for comparing them. */
export interface IndexedEntry {
  readonly digest: string;
  readonly bytes: number;
  readonly next: number;
  readonly acl: string;
  /** The number of children that are copied too. */
  children: number;
  /** At least one child has a number as ZooKeeper gives it. */
  numbered: boolean;
}

export type TreeIndex = ReadonlyMap<string, IndexedEntry>;

const openPerms = 31;

/** The creations so far. As `cversion` ZooKeeper tells `2 * creations - children`, in 32 bits. */
export const nextNumber = ({ cversion, numChildren }: Pick<Stat, 'cversion' | 'numChildren'>): number =>
  ((cversion + numChildren) >>> 0) / 2;

export function restricted(acl: readonly Acl[]): readonly Acl[] | null {
  const [only] = acl;
  const open = acl.length === 1 && only?.scheme === 'world' && only.id === 'anyone' && only.perms === openPerms;
  return open ? null : acl;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** Whether a path is `root` or below it. */
export function isWithin(path: string, root: string): boolean {
  return root === '/' || path === root || path.startsWith(`${root}/`);
}

export async function indexTree(source: TreeSource, onEntry?: () => void): Promise<TreeIndex> {
  const index = new Map<string, IndexedEntry>();
  for await (const { path, data, next, acl } of source) {
    index.set(path, {
      digest: createHash('sha256').update(data).digest('base64'),
      bytes: data.length,
      next,
      acl: acl === null ? '' : aclText(acl),
      children: 0,
      numbered: false,
    });
    const parent = index.get(parentOf(path));
    if (parent) {
      parent.children++;
      parent.numbered ||= /\d{10}$/.test(path);
    }
    onEntry?.();
  }
  return index;
}

const aclText = (acl: readonly Acl[]): string =>
  acl
    .map(({ perms, scheme, id }) => JSON.stringify([perms, scheme, id]))
    .sort()
    .join();
