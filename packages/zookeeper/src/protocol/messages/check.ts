/** Asking for a version, which makes sense within a multi: CheckVersionRequest of zookeeper.jute. */
import { opCode } from '../constants.ts';
import { type Message, noResponse } from './message.ts';

export interface CheckRequest {
  readonly type: 'check';
  readonly path: string;
  /** -1 for any. */
  readonly version: number;
}

export const checkMessage: Message<CheckRequest, void> = {
  op: opCode.check,
  repeatable: false,
  writeRequest: (w, { path, version }) => void w.string(path).int(version),
  readRequest: (r) => ({ type: 'check', path: r.string(), version: r.int() }),
  ...noResponse,
};
