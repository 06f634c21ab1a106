/** The calls of a session that have no answer yet: those that wait for their turn, and those that are under way, in order. */
import {
  ConnectionLossError,
  DeadlineExceededError,
  OverloadError,
  type ZooKeeperError,
} from '../../contract/errors.ts';
import type { JuteReader } from '../../protocol/jute.ts';
import { type ReplyHeader, setXid } from '../../protocol/messages/header.ts';
import type { Runtime, Timer } from '../../runtime/runtime.ts';
import type { Call } from './call.ts';

export interface PendingCallsOptions {
  readonly maxInFlight: number;
  readonly maxWaiting: number;
}

/** How often deadlines are looked at. */
const sweepMs = 100;
const largestXid = 0x7fffffff;

export class PendingCalls {
  private readonly runtime: Runtime;
  private readonly options: PendingCallsOptions;
  /** What stands in the way of answers at present, for people; '' when nothing does. */
  private readonly hindrance: () => string;
  private waiting: Call[] = [];
  private inFlight: Call[] = [];
  private nextXid = 1;
  private sweepTimer: Timer | null = null;

  constructor(runtime: Runtime, options: PendingCallsOptions, hindrance: () => string) {
    this.runtime = runtime;
    this.options = options;
    this.hindrance = hindrance;
  }

  get size(): number {
    return this.inFlight.length + this.waiting.length;
  }

  get anyWaiting(): boolean {
    return this.waiting.length > 0;
  }

  add(call: Call): void {
    const { maxWaiting } = this.options;
    if (this.waiting.length >= maxWaiting) return call.fail(new OverloadError(maxWaiting));
    this.waiting.push(call);
    this.armSweep();
  }

  /** Takes a call back that nobody waits for any more; one that is under way still gets its answer, which is ignored. */
  forget(call: Call): void {
    call.settled = true;
    const at = this.waiting.indexOf(call);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** Moves the calls whose turn it is under way; their frames are put behind the given ones. */
  sendInto(frames: Buffer[]): void {
    let taken = 0;
    while (taken < this.waiting.length && this.inFlight.length < this.options.maxInFlight) {
      const call = this.waiting[taken++]!;
      if (call.settled) continue;
      call.xid = this.nextXid;
      this.nextXid = this.nextXid === largestXid ? 1 : this.nextXid + 1;
      setXid(call.frame, call.xid);
      this.inFlight.push(call);
      frames.push(call.frame);
    }
    if (taken > 0) this.waiting.splice(0, taken);
  }

  /** The oldest call gets its answer. Throws when the answer is none of it: the connection is out of step then. */
  answer({ xid, zxid, error }: ReplyHeader, body: JuteReader): void {
    const call = this.inFlight.shift();
    if (!call || call.xid !== xid) {
      throw new Error(`answer ${xid} came where ${call ? call.xid : 'none'} was expected`);
    }
    if (call.settled) return;
    call.settled = true;
    call.answer(error, body, zxid);
  }

  /** The connection is lost: what may be repeated goes first on the next one, nobody knows what became of the rest. */
  connectionLost(problem: string): void {
    const lost = this.inFlight;
    this.inFlight = [];
    const again: Call[] = [];
    for (const call of lost) {
      if (call.settled) continue;
      if (call.repeatable) again.push(call);
      else fail(call, new ConnectionLossError(call.path, new Error(problem)));
    }
    this.waiting = [...again, ...this.waiting];
  }

  failAll(error: (path: string | undefined) => ZooKeeperError): void {
    const calls = [...this.inFlight, ...this.waiting];
    this.inFlight = [];
    this.waiting = [];
    for (const call of calls) if (!call.settled) fail(call, error(call.path));
  }

  close(): void {
    this.sweepTimer?.cancel();
  }

  /** One timer for all deadlines. */
  private armSweep(): void {
    if (this.sweepTimer) return;
    this.sweepTimer = this.runtime.setTimer(sweepMs, () => {
      this.sweepTimer = null;
      this.failOverdue();
      if (this.size > 0) this.armSweep();
    });
  }

  private failOverdue(): void {
    const now = this.runtime.monotonicMs();
    const reason = this.hindrance();
    const overdue = [...this.inFlight, ...this.waiting].filter((call) => !call.settled && call.deadlineMs <= now);
    for (const call of overdue) fail(call, new DeadlineExceededError(call.timeoutMs, call.path, reason));
    if (overdue.length > 0) this.waiting = this.waiting.filter((call) => !call.settled);
  }
}

function fail(call: Call, error: ZooKeeperError): void {
  call.settled = true;
  call.fail(error);
}
