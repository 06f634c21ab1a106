/** Who the client is: AuthPacket of zookeeper.jute. It has a transaction id of its own, and is answered outside the order of calls. */
import { opCode } from '../constants.ts';
import { type Message, noResponse } from './message.ts';

export interface AuthRequest {
  readonly scheme: string;
  readonly auth: Uint8Array | null;
}

export const authMessage: Message<AuthRequest, void> = {
  op: opCode.auth,
  repeatable: false,
  // The number in front is a type that nobody uses.
  writeRequest: (w, { scheme, auth }) => void w.int(0).string(scheme).buffer(auth),
  readRequest: (r) => {
    r.int();
    return { scheme: r.string(), auth: r.buffer() };
  },
  ...noResponse,
};
