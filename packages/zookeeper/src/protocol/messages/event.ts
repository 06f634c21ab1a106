/** An event of a watch, which the server sends without being asked at that moment. WatcherEvent of zookeeper.jute. */
import { eventType, xid } from '../constants.ts';
import { JuteReader, JuteWriter } from '../jute.ts';
import { replyHeaderBytes } from './header.ts';

export interface WireEvent {
  readonly type: keyof typeof eventType;
  readonly path: string;
}

const eventNames = new Map<number, keyof typeof eventType>(
  Object.entries(eventType).map(([name, value]) => [value, name as keyof typeof eventType]),
);

/** Framed, with its header. `state` is that of the connection. */
export function encodeEvent(event: WireEvent, state: number): Buffer {
  const w = new JuteWriter(64).int(xid.notification).long(-1n).int(0);
  return w.int(eventType[event.type]).int(state).string(event.path).frame();
}

/** null for a type that this library does not know. */
export function decodeEvent(frame: Buffer): WireEvent | null {
  return readEvent(new JuteReader(frame, replyHeaderBytes));
}

/** The body alone. */
export function readEvent(r: JuteReader): WireEvent | null {
  const type = eventNames.get(r.int());
  r.int();
  const path = r.string();
  return type === undefined ? null : { type, path };
}
