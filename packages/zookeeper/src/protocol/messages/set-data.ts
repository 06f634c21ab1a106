/** Writing a znode: SetDataRequest and SetDataResponse of zookeeper.jute. */
import { opCode } from '../constants.ts';
import { readStat, type Stat, writeStat } from '../records.ts';
import type { Message } from './message.ts';

export interface SetDataRequest {
  readonly type: 'set';
  readonly path: string;
  readonly data: Uint8Array | null;
  /** -1 for any. */
  readonly version: number;
}

export const setDataMessage: Message<SetDataRequest, Stat> = {
  op: opCode.setData,
  repeatable: false,
  sizeOf: ({ path, data }) => (data?.length ?? 0) + path.length + 64,
  writeRequest: (w, { path, data, version }) => void w.string(path).buffer(data).int(version),
  readRequest: (r) => ({ type: 'set', path: r.string(), data: r.buffer(), version: r.int() }),
  writeResponse: writeStat,
  readResponse: readStat,
};
