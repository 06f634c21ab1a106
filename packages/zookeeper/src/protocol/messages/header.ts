/** What stands in front of every request and every answer: RequestHeader and ReplyHeader of zookeeper.jute. */
import { xid as reservedXid } from '../constants.ts';
import { type JuteReader, JuteWriter } from '../jute.ts';
import type { Message } from './message.ts';

export interface RequestHeader {
  readonly xid: number;
  readonly op: number;
}

/** Framed. A call gets its transaction id when it is sent (`setXid`). */
export function encodeRequest<Request>(
  message: Message<Request, unknown, never>,
  request: Request,
  xid: number = 0,
): Buffer {
  const w = new JuteWriter(message.sizeOf?.(request) ?? 128).int(xid).int(message.op);
  message.writeRequest(w, request);
  return w.frame();
}

export function setXid(frame: Buffer, xid: number): void {
  frame.writeInt32BE(xid, 4);
}

export function readRequestHeader(r: JuteReader): RequestHeader {
  return { xid: r.int(), op: r.int() };
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  readonly error: number;
}

/** Framed. `body` is null where the header says it all. */
export function encodeReply({ xid, zxid, error }: ReplyHeader, body: ((w: JuteWriter) => void) | null): Buffer {
  const w = new JuteWriter(body ? 192 : 16).int(xid).long(zxid).int(error);
  body?.(w);
  return w.frame();
}

export const replyHeaderBytes = 16;

export function readReplyHeader(r: JuteReader): ReplyHeader {
  return { xid: r.int(), zxid: r.long(), error: r.int() };
}

/** Whether an answer is none: an event, which nobody has asked for at that moment. */
export function isNotification(frame: Buffer): boolean {
  return frame.length >= 4 && frame.readInt32BE(0) === reservedXid.notification;
}
