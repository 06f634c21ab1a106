/** Bringing the server up to date with the leader: SyncRequest and SyncResponse of zookeeper.jute. */
import { opCode } from '../constants.ts';
import { type Message, type PathRequest, pathRequest } from './message.ts';

export const syncMessage: Message<PathRequest, string, PathRequest> = {
  op: opCode.sync,
  repeatable: true,
  ...pathRequest,
  writeResponse: (w, { path }) => void w.string(path),
  readResponse: (r) => r.string(),
};
