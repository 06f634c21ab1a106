/** Records that several messages share, in both directions. Layout: zookeeper.jute of Apache ZooKeeper. */
import { eventType } from './constants.ts';
import { JuteReader, JuteWriter } from './jute.ts';

export interface WireStat {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly ctime: bigint;
  readonly mtime: bigint;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
  readonly pzxid: bigint;
}

export interface WireAcl {
  readonly perms: number;
  readonly scheme: string;
  readonly id: string;
}

export function readStat(r: JuteReader): WireStat {
  return {
    czxid: r.long(),
    mzxid: r.long(),
    ctime: r.long(),
    mtime: r.long(),
    version: r.int(),
    cversion: r.int(),
    aversion: r.int(),
    ephemeralOwner: r.long(),
    dataLength: r.int(),
    numChildren: r.int(),
    pzxid: r.long(),
  };
}

export function writeStat(w: JuteWriter, s: WireStat): void {
  w.long(s.czxid).long(s.mzxid).long(s.ctime).long(s.mtime).int(s.version).int(s.cversion).int(s.aversion);
  w.long(s.ephemeralOwner).int(s.dataLength).int(s.numChildren).long(s.pzxid);
}

export function readAcl(r: JuteReader): WireAcl {
  return { perms: r.int(), scheme: r.string(), id: r.string() };
}

export function writeAcl(w: JuteWriter, acl: WireAcl): void {
  w.int(acl.perms).string(acl.scheme).string(acl.id);
}

export const openAcl: readonly WireAcl[] = [{ perms: 31, scheme: 'world', id: 'anyone' }];

export interface ConnectRequest {
  readonly lastZxidSeen: bigint;
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Buffer;
  readonly readOnly: boolean;
}

export interface ConnectResponse {
  readonly timeoutMs: number;
  /** 0 when the session is not valid any more. */
  readonly sessionId: bigint;
  readonly password: Buffer;
  readonly readOnly: boolean;
}

const noPassword = Buffer.alloc(16);

export function encodeConnectRequest(c: ConnectRequest): Buffer {
  const w = new JuteWriter().int(0).long(c.lastZxidSeen).int(c.timeoutMs).long(c.sessionId);
  return w.buffer(c.password).bool(c.readOnly).frame();
}

export function decodeConnectRequest(frame: Buffer): ConnectRequest {
  const r = new JuteReader(frame);
  r.int();
  const lastZxidSeen = r.long();
  const timeoutMs = r.int();
  const sessionId = r.long();
  const password = r.buffer() ?? noPassword;
  // Clients older than 3.4 end here.
  return { lastZxidSeen, timeoutMs, sessionId, password, readOnly: r.remaining > 0 && r.bool() };
}

export function encodeConnectResponse(c: ConnectResponse): Buffer {
  return new JuteWriter().int(0).int(c.timeoutMs).long(c.sessionId).buffer(c.password).bool(c.readOnly).frame();
}

export function decodeConnectResponse(frame: Buffer): ConnectResponse {
  const r = new JuteReader(frame);
  r.int();
  const timeoutMs = r.int();
  const sessionId = r.long();
  const password = r.buffer() ?? noPassword;
  return { timeoutMs, sessionId, password, readOnly: r.remaining > 0 && r.bool() };
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  readonly error: number;
}

export const replyHeaderBytes = 16;

export function readReplyHeader(r: JuteReader): ReplyHeader {
  return { xid: r.int(), zxid: r.long(), error: r.int() };
}

export interface WireEvent {
  readonly type: keyof typeof eventType;
  readonly path: string;
}

const eventNames = new Map<number, keyof typeof eventType>(
  Object.entries(eventType).map(([name, value]) => [value, name as keyof typeof eventType]),
);

/** null for a type that this library does not know. */
export function readEvent(r: JuteReader): WireEvent | null {
  const type = eventNames.get(r.int());
  r.int();
  const path = r.string();
  return type === undefined ? null : { type, path };
}

export function encodeEvent(event: WireEvent, state: number): Buffer {
  const w = new JuteWriter(64).int(-1).long(-1n).int(0);
  return w.int(eventType[event.type]).int(state).string(event.path).frame();
}

/** What nearly all paths look like; the rest is looked at closely. */
const longestOrdinary = 1000;
const ordinaryPath = /^(?:\/[\w:=@+-][\w:=@+.-]*)+$/;

/** Paths as Apache's PathUtils accepts them. Returns what is wrong, or null. */
export function pathProblem(path: string, sequential = false): string | null {
  if (path.length === 0) return 'it is empty';
  if (!path.startsWith('/')) return 'it does not start with /';
  if (path === '/' || (path.length <= longestOrdinary && ordinaryPath.test(path))) return null;
  if (path.endsWith('/') && !sequential) return 'it ends with /';
  const parts = path.split('/');
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i]!;
    if (part === '' && !(sequential && i === parts.length - 1)) return 'it has an empty name';
    if (part === '.' || part === '..') return 'relative names are not allowed';
  }
  // biome-ignore lint: control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/u.test(path)) return 'it has an invalid character';
  return null;
}
