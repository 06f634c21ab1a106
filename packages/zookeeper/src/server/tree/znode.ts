/** One znode in memory, and what can be said of it from itself alone. */
import type { Acl, Stat } from '../../protocol/records.ts';
import { worldAcl } from './acl.ts';

export interface Znode {
  /** Grows with every creation, so that a parent's is smaller than its children's. Storage knows znodes by it. */
  readonly id: number;
  readonly path: string;
  readonly parent: Znode | null;
  /** null is given back as null. */
  data: Buffer | null;
  acl: readonly Acl[];
  czxid: bigint;
  mzxid: bigint;
  pzxid: bigint;
  ctime: bigint;
  mtime: bigint;
  version: number;
  /** Creations of children so far: the next sequence number. Deletions don't count. */
  created: number;
  aversion: number;
  /** Session of an ephemeral, one of the marks below for containers and TTL znodes, 0 otherwise. */
  ephemeralOwner: bigint;
  /** Made with the first child: most znodes have none. */
  children: Set<string> | null;
}

export const noData = Buffer.alloc(0);
const noChildren: ReadonlySet<string> = new Set();

/** Apache marks containers and TTL znodes in the field that holds the session of an ephemeral (EphemeralType). */
export const containerMark = -(1n << 63n);
const ttlMark = -(1n << 56n);
export const longestTtlMs = (1n << 40n) - 1n;

export const ttlOwner = (ttlMs: bigint): bigint => ttlMark | ttlMs;

export type ZnodeKind = 'normal' | 'ephemeral' | 'container' | 'ttl';

export function kindOf(node: Znode): ZnodeKind {
  const owner = node.ephemeralOwner;
  if (owner === 0n) return 'normal';
  if (owner === containerMark) return 'container';
  return owner < 0n && owner >= ttlMark ? 'ttl' : 'ephemeral';
}

export const ttlOf = (node: Znode): bigint => node.ephemeralOwner & longestTtlMs;

export function newZnode(id: number, path: string, parent: Znode | null, zxid: bigint, now: bigint): Znode {
  return {
    id,
    path,
    parent,
    data: noData,
    acl: worldAcl,
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: now,
    mtime: now,
    version: 0,
    created: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    children: null,
  };
}

export const lengthOf = (node: Znode): number => node.data?.length ?? 0;

export const childrenOf = (node: Znode): ReadonlySet<string> => node.children ?? noChildren;

export function statOf(node: Znode): Stat {
  const numChildren = node.children?.size ?? 0;
  return {
    czxid: node.czxid,
    mzxid: node.mzxid,
    ctime: node.ctime,
    mtime: node.mtime,
    version: node.version,
    // Creations and deletions: what was created and is not there any more was deleted.
    cversion: (node.created * 2 - numChildren) | 0,
    aversion: node.aversion,
    // The marks are not told.
    ephemeralOwner: kindOf(node) === 'ephemeral' ? node.ephemeralOwner : 0n,
    dataLength: lengthOf(node),
    numChildren,
    pzxid: node.pzxid,
  };
}

export function parentPathOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Ten digits, as Java's %010d: the sign counts. */
export function sequenceSuffix(created: number): string {
  return created < 0 ? `-${String(-created).padStart(9, '0')}` : String(created).padStart(10, '0');
}

/** A copy that shares no memory with the frame that it came in. */
export function ownCopy(data: Uint8Array | null): Buffer | null {
  if (data === null) return null;
  if (data.length === 0) return noData;
  const copy = Buffer.allocUnsafeSlow(data.length);
  copy.set(data);
  return copy;
}
