/** Deleting a znode: DeleteRequest of zookeeper.jute. */
import { opCode } from '../constants.ts';
import { type Message, noResponse } from './message.ts';

export interface DeleteRequest {
  readonly type: 'delete';
  readonly path: string;
  /** -1 for any. */
  readonly version: number;
}

export const deleteMessage: Message<DeleteRequest, void> = {
  op: opCode.delete,
  repeatable: false,
  writeRequest: (w, { path, version }) => void w.string(path).int(version),
  readRequest: (r) => ({ type: 'delete', path: r.string(), version: r.int() }),
  ...noResponse,
};
