/** Whether a znode is there: ExistsRequest and ExistsResponse of zookeeper.jute. An absent one is a refusal. */
import { opCode } from '../constants.ts';
import { readStat, type Stat, writeStat } from '../records.ts';
import { type Message, type WatchingRequest, watchingRequest } from './message.ts';

export const existsMessage: Message<WatchingRequest, Stat> = {
  op: opCode.exists,
  repeatable: true,
  ...watchingRequest,
  writeResponse: writeStat,
  readResponse: readStat,
};
