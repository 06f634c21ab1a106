/**
 * Answers and events reach their users in the server's order. An answer's user goes on in a microtask, so that an event
 * that follows an answer has to wait until those have run: else it would be handled before the state it changes is known.
 */
import { isNotification } from '../../protocol/messages/header.ts';
import { FrameQueue } from './frame-queue.ts';

/** Then the event loop has a turn. */
const mostDrainsInRow = 64;

/** For one connection. */
export class OrderedDelivery {
  /** Handles a frame; true when somebody goes on because of it. */
  private readonly receive: (frame: Buffer) => boolean;
  /** A frame that waited could not be handled. */
  private readonly onProblem: (error: Error) => void;
  /** Frames that wait until the continuations of the answers before them have run. */
  private readonly backlog = new FrameQueue();
  private answered = false;
  private draining = false;
  private drainsInRow = 0;
  private ended = false;

  constructor(receive: (frame: Buffer) => boolean, onProblem: (error: Error) => void) {
    this.receive = receive;
    this.onProblem = onProblem;
  }

  /** A frame has come. Throws what handling it throws. */
  arrived(frame: Buffer): void {
    if (this.backlog.size > 0 || (this.answered && isNotification(frame))) {
      this.backlog.push(frame);
      return;
    }
    this.handle(frame);
    if (this.answered) this.drainSoon();
  }

  /** Nothing more will come: what is here is handled at once. */
  end(): void {
    this.ended = true;
    this.drain();
  }

  private handle(frame: Buffer): void {
    if (this.receive(frame)) this.answered = true;
  }

  private drainSoon(): void {
    if (this.draining) return;
    this.draining = true;
    const drain = () => {
      this.draining = false;
      if (!this.ended) this.drain();
    };
    // A tick that a microtask asks for comes when no microtask is left. Not by an immediate each time: what users do upon
    // many answers that came together goes out together.
    if (++this.drainsInRow % mostDrainsInRow === 0) setImmediate(drain);
    else queueMicrotask(() => process.nextTick(drain));
  }

  private drain(): void {
    this.answered = false;
    try {
      for (let frame = this.backlog.first(); frame; frame = this.backlog.first()) {
        if (!this.ended && this.answered && isNotification(frame)) break;
        this.backlog.dropFirst();
        this.handle(frame);
      }
    } catch (error) {
      this.backlog.clear();
      this.onProblem(error as Error);
      return;
    }
    if (this.answered && !this.ended) this.drainSoon();
  }
}
