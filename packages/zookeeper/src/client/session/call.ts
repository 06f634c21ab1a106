/** One request on its way: its bytes, how its answer is read, and who waits for it. */
import type { ZooKeeperError } from '../../contract/errors.ts';
import type { JuteReader } from '../../protocol/jute.ts';

export interface Call {
  readonly path: string | undefined;
  /** Framed; it takes its transaction id when it is sent. */
  readonly frame: Buffer;
  /** Sent again on the next connection when the answer is lost. */
  readonly repeatable: boolean;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  xid: number;
  settled: boolean;
  /** `error` is the code in the answer's header; the reader stands at the body. */
  readonly answer: (error: number, body: JuteReader, zxid: bigint) => void;
  readonly fail: (error: ZooKeeperError) => void;
}
