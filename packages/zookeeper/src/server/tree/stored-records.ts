/** What the data file's records look like: znodes under their number, sessions and the header under texts. */
import { JuteReader, JuteWriter } from '../../protocol/jute.ts';
import { readAcl, writeAcl } from '../../protocol/records.ts';
import { worldAcl } from './acl.ts';
import { lengthOf, nameOf, newZnode, ownCopy, type Znode } from './znode.ts';

export interface StoredSession {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly password: Buffer;
}

export type StoredKey = number | string;

export const headerKey = 'header';
export const formatVersion = 1;
const sessionPrefix = 'session/';

export const sessionKey = (id: bigint): string => sessionPrefix + id.toString(16);

export function encodeHeader(zxid: bigint): Buffer {
  return new JuteWriter(12).int(formatVersion).long(zxid).payload();
}

export function decodeHeader(value: Buffer): { format: number; zxid: bigint } {
  const r = new JuteReader(value);
  return { format: r.int(), zxid: r.long() };
}

/** A list of rights that everybody has is by far the most frequent: one byte. */
export function encodeZnode(n: Znode): Buffer {
  const name = n.parent ? nameOf(n.path) : '';
  const w = new JuteWriter(128 + lengthOf(n) + name.length * 3)
    .long(BigInt(n.parent?.id ?? 0))
    .string(name)
    .buffer(n.data);
  w.long(n.czxid).long(n.mzxid).long(n.pzxid).long(n.ctime).long(n.mtime);
  w.int(n.version).int(n.created).int(n.aversion).long(n.ephemeralOwner);
  w.bool(n.acl !== worldAcl);
  if (n.acl !== worldAcl) w.vector(n.acl, writeAcl);
  return w.payload();
}

/** `parentOf` knows the znodes that were read before this one; parents come before their children. */
export function decodeZnode(id: number, value: Buffer, parentOf: (id: number) => Znode | undefined): Znode | null {
  const r = new JuteReader(value);
  const parentId = Number(r.long());
  const name = r.string();
  const parent = parentId === 0 ? null : parentOf(parentId);
  if (parent === undefined || (parent === null && id !== 1)) return null;
  const path = parent === null ? '/' : parent.parent === null ? `/${name}` : `${parent.path}/${name}`;
  const node = newZnode(id, path, parent, 0n, 0n);
  node.data = ownCopy(r.buffer());
  node.czxid = r.long();
  node.mzxid = r.long();
  node.pzxid = r.long();
  node.ctime = r.long();
  node.mtime = r.long();
  node.version = r.int();
  node.created = r.int();
  node.aversion = r.int();
  node.ephemeralOwner = r.long();
  if (r.bool()) node.acl = r.vector(readAcl);
  return node;
}

export function encodeSession(s: StoredSession): Buffer {
  return new JuteWriter(32).int(s.timeoutMs).buffer(s.password).payload();
}

/** null where the key is not that of a session. */
export function decodeSession(key: string, value: Buffer): StoredSession | null {
  if (!key.startsWith(sessionPrefix)) return null;
  const r = new JuteReader(value);
  const timeoutMs = r.int();
  return {
    id: BigInt(`0x${key.slice(sessionPrefix.length)}`),
    timeoutMs,
    password: Buffer.from(r.buffer() ?? ''),
  };
}

/** null removes what is stored under the key. */
export type Change = readonly [key: StoredKey, value: Buffer | null];

export function encodeChanges(changes: readonly Change[]): Buffer {
  const bytes = changes.reduce((sum, [key, value]) => sum + 16 + String(key).length + (value?.length ?? 0), 4);
  const w = new JuteWriter(bytes).vector(changes, (v, [key, value]) => {
    if (typeof key === 'number') v.bool(true).long(BigInt(key));
    else v.bool(false).string(key);
    v.buffer(value);
  });
  return w.payload();
}

export function decodeChanges(bytes: Buffer): Change[] {
  return new JuteReader(bytes).vector((r): Change => [r.bool() ? Number(r.long()) : r.string(), r.buffer()]);
}
