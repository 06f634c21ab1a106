/** The session's own ephemeral znodes: GetEphemeralsRequest and GetEphemeralsResponse of zookeeper.jute. */
import { opCode } from '../constants.ts';
import { readNames, writeNames } from './get-children.ts';
import { type Message, type PathRequest, pathRequest } from './message.ts';

/** `path` is what the paths of the answer begin with. */
export const getEphemeralsMessage: Message<PathRequest, string[]> = {
  op: opCode.getEphemerals,
  repeatable: true,
  ...pathRequest,
  writeResponse: writeNames,
  readResponse: readNames,
};
