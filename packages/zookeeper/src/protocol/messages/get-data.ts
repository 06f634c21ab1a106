/** Reading a znode: GetDataRequest and GetDataResponse of zookeeper.jute. */
import { opCode } from '../constants.ts';
import type { JuteReader, JuteWriter } from '../jute.ts';
import { readStat, type Stat, writeStat } from '../records.ts';
import { type Message, type WatchingRequest, watchingRequest } from './message.ts';

export interface GetDataResponse {
  readonly data: Buffer | null;
  readonly stat: Stat;
}

export const getDataMessage: Message<WatchingRequest, GetDataResponse> = {
  op: opCode.getData,
  repeatable: true,
  ...watchingRequest,
  writeResponse: (w: JuteWriter, { data, stat }: GetDataResponse) => writeStat(w.buffer(data), stat),
  readResponse: (r: JuteReader) => ({ data: r.buffer(), stat: readStat(r) }),
};
