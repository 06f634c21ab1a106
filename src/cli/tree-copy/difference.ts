/** What has to happen to a tree so that it holds what another one holds. Pure: it reads and changes nothing. */
import { lastName, paths } from '../../store/paths.ts';
import { isWithin, type TreeIndex } from './entry.ts';

export interface LowCounter {
  readonly path: string;
  /** The number that the next child would get once all missing children are made. */
  readonly have: number;
  readonly want: number;
}

export interface Difference {
  readonly same: number;
  readonly missing: readonly string[];
  /** Paths whose data differ. */
  readonly changed: readonly string[];
  /** Paths of `changed` that hold data in the tree: empty ones may be left of an import that broke off. */
  readonly changedDocuments: readonly string[];
  /** Paths whose access lists differ. */
  readonly acl: readonly string[];
  /** Paths that only the tree to be changed has. */
  readonly extra: readonly string[];
  /** Paths of `extra` that hold data: they show that the tree is somebody's already. */
  readonly extraDocuments: readonly string[];
  readonly lowCounters: readonly LowCounter[];
}

export function difference(want: TreeIndex, have: TreeIndex): Difference {
  const missing: string[] = [];
  const changed: string[] = [];
  const acl: string[] = [];
  const lowCounters: LowCounter[] = [];
  let same = 0;
  /** How many children each parent is missing. */
  const toMake = new Map<string, number>();
  for (const path of want.keys()) {
    if (have.has(path)) continue;
    const parent = path.slice(0, path.lastIndexOf('/'));
    toMake.set(parent, (toMake.get(parent) ?? 0) + 1);
  }
  for (const [path, wanted] of want) {
    const found = have.get(path);
    if (!found) missing.push(path);
    else if (found.digest !== wanted.digest) changed.push(path);
    else if (found.acl !== wanted.acl) acl.push(path);
    else same++;
    if (found && found.digest !== wanted.digest && found.acl !== wanted.acl) acl.push(path);
    const next = (found?.next ?? 0) + (toMake.get(path) ?? 0);
    if (next < wanted.next && isNumbered(path, wanted)) lowCounters.push({ path, have: next, want: wanted.next });
  }
  const extra = [...have.keys()].filter((path) => !want.has(path));
  const extraDocuments = extra.filter((path) => have.get(path)!.bytes > 0);
  const changedDocuments = changed.filter((path) => have.get(path)!.bytes > 0);
  return { same, missing, changed, changedDocuments, acl, extra, extraDocuments, lowCounters };
}

export function isEqual(d: Difference): boolean {
  return [d.missing, d.changed, d.acl, d.extra, d.lowCounters].every((some) => some.length === 0);
}

const uploads = new RegExp(`^${paths.images}/[^/]+/builds/[^/]+/providers/[^/]+/images$`);

/**
 * Whether anything depends on the numbers of a znode's children. Nothing does for a lock that nobody waits for, nor for
 * children with names of their own. Raising a counter costs a write for each number, so it is not done in vain.
 */
function isNumbered(path: string, { children, numbered }: { readonly children: number; readonly numbered: boolean }) {
  if (path === paths.requests || path === paths.nodes || uploads.test(path)) return true;
  if (numbered) return !isNamed(path);
  if (children > 0 || isWithin(path, paths.root)) return false;
  return lastName(path) !== 'lock';
}

/** Whether the children are named after requests or images: such names may end in digits that are no number of ZooKeeper's. */
function isNamed(path: string): boolean {
  return path === paths.requestLocks || path === paths.images;
}
