/** The handshake: the first frame of each direction, without a header. ConnectRequest and ConnectResponse of zookeeper.jute. */
import { JuteReader, JuteWriter } from '../jute.ts';

export interface ConnectRequest {
  readonly lastZxidSeen: bigint;
  readonly timeoutMs: number;
  /** 0 for a new session. */
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

export const noPassword = Buffer.alloc(16);

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
