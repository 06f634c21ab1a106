/** Questions to the server as promises: what is asked becomes a call of the session, its answer or error settles the promise. */
import { errorOf, ZooKeeperError } from '../contract/errors.ts';
import type { CallOptions } from '../contract/types.ts';
import { encodeRequest } from '../protocol/messages/header.ts';
import type { Message } from '../protocol/messages/message.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Call } from './session/call.ts';
import type { Session } from './session/session.ts';

export interface Question<Request, Response, Result> {
  readonly message: Message<Request, Response, never>;
  readonly request: Request;
  /** As the user names it, for errors. */
  readonly path: string;
  readonly options: CallOptions;
  /** What the user gets of the answer. Runs while the answer is handled: no event that follows it has come yet. */
  readonly result: (response: Response, zxid: bigint) => Result;
}

export class Calls {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** The deadline of a call that names none. */
  private readonly timeoutMs: number;

  constructor(session: Session, runtime: Runtime, timeoutMs: number) {
    this.session = session;
    this.runtime = runtime;
    this.timeoutMs = timeoutMs;
  }

  ask<Request, Response, Result>(question: Question<Request, Response, Result>): Promise<Result> {
    const { signal } = question.options;
    return new Promise<Result>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      if (!signal) return this.session.submit(this.callOf(question, resolve, reject));
      const onAbort = () => {
        this.session.forget(call);
        reject(signal.reason as Error);
      };
      const unheard = () => signal.removeEventListener('abort', onAbort);
      const call = this.callOf(question, resolve, reject, unheard);
      signal.addEventListener('abort', onAbort, { once: true });
      this.session.submit(call);
    });
  }

  private callOf<Request, Response, Result>(
    { message, request, path, options, result }: Question<Request, Response, Result>,
    resolve: (result: Result) => void,
    reject: (error: Error) => void,
    onSettled?: () => void,
  ): Call {
    const timeoutMs = options.timeoutMs ?? this.timeoutMs;
    return {
      path,
      frame: encodeRequest(message, request),
      repeatable: message.repeatable,
      timeoutMs,
      deadlineMs: this.runtime.monotonicMs() + timeoutMs,
      xid: 0,
      settled: false,
      answer: (error, body, zxid) => {
        onSettled?.();
        if (error !== 0 && !(message.explainsRefusals && body.remaining > 0)) return reject(errorOf(error, path));
        try {
          resolve(result(message.readResponse(body), zxid));
        } catch (failure) {
          reject(unreadable(failure, path));
        }
      },
      fail: (error) => {
        onSettled?.();
        reject(error);
      },
    };
  }
}

function unreadable(cause: unknown, path: string): ZooKeeperError {
  return new ZooKeeperError('bad-answer', `the answer can't be read: ${String(cause)}`, { path, cause });
}
