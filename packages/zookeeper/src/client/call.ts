/** One request on its way: its bytes, how its answer is read, and who waits for it. */
import { JuteReader, JuteWriter } from '../protocol/jute.ts';
import type { ZooKeeperError } from './errors.ts';

export interface Call {
  readonly op: number;
  readonly path: string | undefined;
  /** Framed; bytes 4 to 8 take the transaction id when it is sent. */
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

export function requestFrame(op: number, write: (w: JuteWriter) => void, sizeHint = 128): Buffer {
  const w = new JuteWriter(sizeHint).int(0).int(op);
  write(w);
  return w.frame();
}

export function setXid(frame: Buffer, xid: number): void {
  frame.writeInt32BE(xid, 4);
}
