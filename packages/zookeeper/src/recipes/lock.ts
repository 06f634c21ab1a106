/**
 * The exclusive lock of kazoo, to the bit: a contender `<32 hex>__lock__<sequence>` in the lock's directory; the one with
 * the smallest sequence (compared as text) holds the lock, everybody else watches the next smaller one.
 */
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import {
  ConnectionLossError,
  DeadlineExceededError,
  NoNodeError,
  NotEmptyError,
  SessionExpiredError,
  ZooKeeperError,
} from '../contract/errors.ts';
import type { CallOptions, MultiOperation, ZooKeeper } from '../contract/types.ts';

export interface LockOptions {
  readonly client: ZooKeeper;
  /** The lock's directory. */
  readonly path: string;
  /** Stored in the contender, for people. Default: ''. */
  readonly identifier?: string;
  /** Make missing ancestors of the directory too. Default: false, their absence means that what is to be locked is gone. */
  readonly createParents?: boolean;
  /** The contender outlives the session; given back by `forceUnlock`. Default: false. */
  readonly persistent?: boolean;
  /** Clock, timers and randomness. Default: the machine's. */
  readonly runtime?: Runtime;
}

export type LockResult =
  | { readonly result: 'acquired'; readonly lock: HeldLock }
  | { readonly result: 'locked' }
  | { readonly result: 'gone' };

const contenderPattern = /__lock__(-?\d{10})$/;

export function isContender(name: string): boolean {
  return contenderPattern.test(name);
}

/** Contenders by sequence, the holder first. */
export function sortContenders(names: readonly string[]): string[] {
  const sequence = (name: string) => contenderPattern.exec(name)![1]!;
  return names.filter(isContender).sort((a, b) => (sequence(a) < sequence(b) ? -1 : sequence(a) > sequence(b) ? 1 : 0));
}

export function newContenderPrefix(runtime: Runtime): string {
  return `${runtime.randomHex(32)}__lock__`;
}

/** A lock that was acquired. It is lost when its session ends. */
export class HeldLock {
  readonly directory: string;
  readonly contender: string;
  private readonly client: ZooKeeper;
  private readonly sessionId: bigint;
  private readonly persistent: boolean;
  private released = false;

  /** `sessionId`: the session that made the contender, with which it ends. */
  constructor(
    client: ZooKeeper,
    directory: string,
    contender: string,
    persistent = false,
    sessionId = client.sessionId,
  ) {
    this.client = client;
    this.directory = directory;
    this.contender = contender;
    this.sessionId = sessionId;
    this.persistent = persistent;
  }

  get path(): string {
    return `${this.directory}/${this.contender}`;
  }

  get held(): boolean {
    return (
      !this.released && (this.persistent || this.client.sessionId === this.sessionId) && this.client.state !== 'closed'
    );
  }

  /** For a multi that releases the lock together with other writes; call `forget` when it has gone through. */
  releaseOperation(): MultiOperation {
    return { type: 'delete', path: this.path };
  }

  forget(): void {
    this.released = true;
  }

  async release(): Promise<void> {
    if (!this.held) return;
    this.released = true;
    await removeContender(this.client, this.path, this.persistent ? null : this.sessionId);
  }
}

/**
 * Deletes until it is known to be gone: a lost answer must not leave a contender behind as long as its session lives.
 * `sessionId` is null for a persistent contender, which no session's end removes.
 */
export async function removeContender(client: ZooKeeper, path: string, sessionId: bigint | null): Promise<void> {
  for (;;) {
    try {
      await client.delete(path);
      return;
    } catch (error) {
      if (error instanceof NoNodeError || !(error instanceof ZooKeeperError)) return;
      if (sessionId !== null && client.sessionId !== sessionId) return;
      if (!error.retriable && !(sessionId === null && error instanceof SessionExpiredError)) return;
      // Gives way where the refusal came at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Non-blocking: 'locked' when somebody stands in front. */
export async function tryLock(options: LockOptions): Promise<LockResult> {
  return lock(options, { timeoutMs: 0 });
}

/** Waits until the lock is free, the time is up ('locked'), or the signal fires (rejects with its reason). */
export async function lock(
  options: LockOptions,
  wait: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LockResult> {
  const deadline = wait.timeoutMs === undefined ? null : runtimeOf(options).monotonicMs() + wait.timeoutMs;
  for (;;) {
    const contender = await enter(options, deadline === null, wait.signal);
    if (contender === null) return { result: 'gone' };
    const path = `${options.path}/${contender.name}`;
    const leave = () => removeContender(options.client, path, options.persistent ? null : contender.sessionId);
    try {
      const outcome = await waitForTurn(options, contender, deadline, wait.signal);
      if (outcome === 'mine') return acquired(options, contender);
      if (outcome === 'vanished') continue;
      await leave();
      return { result: 'locked' };
    } catch (error) {
      // Not waited for: the caller's time is up, and the removal goes on until it is certain.
      void leave();
      throw error;
    }
  }
}

/** Releases a persistent lock of whoever holds it: deletes the contender with the smallest sequence, nothing else. */
export async function forceUnlock(client: ZooKeeper, directory: string): Promise<void> {
  try {
    const { children } = await client.children(directory);
    const first = sortContenders(children)[0];
    if (first !== undefined) await client.delete(`${directory}/${first}`);
  } catch (error) {
    if (!(error instanceof NoNodeError)) throw error;
  }
}

/** A znode in the lock's directory, and the session that it lives and dies with. */
interface Contender {
  readonly name: string;
  readonly sessionId: bigint;
}

function acquired(options: LockOptions, contender: Contender): LockResult {
  return {
    result: 'acquired',
    lock: new HeldLock(options.client, options.path, contender.name, options.persistent, contender.sessionId),
  };
}

const runtimeOf = (options: LockOptions): Runtime => options.runtime ?? systemRuntime;

function isUncertain(error: unknown): boolean {
  return error instanceof ConnectionLossError || error instanceof DeadlineExceededError;
}

/**
 * Creates a contender; null when the directory's parent does not exist (and must not be made). An answer that was lost is
 * looked for by the contender's random prefix. `patient`: outlasts any time without a server.
 */
async function enter(
  options: LockOptions,
  patient: boolean,
  signal: AbortSignal | undefined,
): Promise<Contender | null> {
  const data = Buffer.from(options.identifier ?? '');
  const mode = options.persistent ? 'persistent-sequential' : 'ephemeral-sequential';
  let prefix = newContenderPrefix(runtimeOf(options));
  let isUnsure = false;
  for (;;) {
    try {
      signal?.throwIfAborted();
      if (isUnsure) {
        const found = await findMine(options, prefix, signal ? { signal } : {});
        if (found) return found;
        // What an ended session may have left goes with it; it must not be taken for ours later.
        if (!options.persistent) prefix = newContenderPrefix(runtimeOf(options));
        isUnsure = false;
      }
      const made = await options.client.create(`${options.path}/${prefix}`, data, {
        mode,
        ...(signal ? { signal } : {}),
      });
      return { name: made.path.slice(options.path.length + 1), sessionId: options.client.sessionId };
    } catch (error) {
      if (signal?.aborted) {
        void sweep(options, prefix, options.client.sessionId);
        throw error;
      }
      if (isUncertain(error)) {
        isUnsure = true;
        if (patient || error instanceof ConnectionLossError) continue;
        void sweep(options, prefix, options.client.sessionId);
        throw error;
      }
      if (error instanceof SessionExpiredError && (patient || isUnsure)) continue;
      if (!(error instanceof NoNodeError)) throw error;
      if (!(await makeDirectory(options))) return null;
    }
  }
}

/**
 * The contender that an unanswered creation has made. It may have been sent under another session than the one that it was
 * asked for in, so that only the owner of the znode tells whether it lives as long as we do.
 */
async function findMine(options: LockOptions, prefix: string, call: CallOptions): Promise<Contender | null> {
  // A server that was joined just now may not have it yet.
  await options.client.sync(options.path, call);
  const { children } = await options.client.children(options.path, call);
  for (const name of children.filter((child) => child.startsWith(prefix))) {
    const stat = options.persistent ? null : await options.client.exists(`${options.path}/${name}`, call);
    const { sessionId } = options.client;
    if (options.persistent || stat?.ephemeralOwner === sessionId) return { name, sessionId };
  }
  return null;
}

/** Removes the contender of a caller who has given up without knowing whether it was made. */
async function sweep(options: LockOptions, prefix: string, sessionId: bigint): Promise<void> {
  while (options.client.state !== 'closed' && (options.persistent || options.client.sessionId === sessionId)) {
    try {
      await options.client.sync(options.path);
      const { children } = await options.client.children(options.path);
      const mine = children.find((name) => name.startsWith(prefix));
      if (mine !== undefined)
        await removeContender(options.client, `${options.path}/${mine}`, options.persistent ? null : sessionId);
      return;
    } catch (error) {
      if (!isUncertain(error)) return;
    }
  }
}

async function makeDirectory(options: LockOptions): Promise<boolean> {
  if (options.createParents) {
    await options.client.ensurePath(options.path);
    return true;
  }
  try {
    await options.client.create(options.path, new Uint8Array());
    return true;
  } catch (error) {
    if (error instanceof NoNodeError) return false;
    if (error instanceof ZooKeeperError && error.code === 'node-exists') return true;
    throw error;
  }
}

async function waitForTurn(
  options: LockOptions,
  contender: Contender,
  deadline: number | null,
  signal: AbortSignal | undefined,
): Promise<'mine' | 'vanished' | 'late'> {
  const call = signal ? { signal } : {};
  for (;;) {
    let children: readonly string[];
    try {
      ({ children } = await options.client.children(options.path, call));
    } catch (error) {
      if (error instanceof SessionExpiredError && !options.persistent) return 'vanished';
      if (error instanceof NoNodeError) return 'vanished';
      if (deadline === null && error instanceof ZooKeeperError && error.retriable) continue;
      throw error;
    }
    // A contender of an ended session may still be listed; it is not ours any more.
    if (!options.persistent && options.client.sessionId !== contender.sessionId) return 'vanished';
    const order = sortContenders(children);
    const at = order.indexOf(contender.name);
    if (at < 0) return 'vanished';
    if (at === 0) return 'mine';
    const left = deadline === null ? null : deadline - runtimeOf(options).monotonicMs();
    if (left !== null && left <= 0) return 'late';
    await changeOf(options, `${options.path}/${order[at - 1]!}`, left, signal);
  }
}

/** Resolves at any event on the predecessor, any change of the session, or the end of the time. */
function changeOf(
  options: LockOptions,
  path: string,
  timeoutMs: number | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      timer?.cancel();
      off();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => done(() => reject(signal!.reason as Error));
    const timer = timeoutMs === null ? null : runtimeOf(options).setTimer(timeoutMs, () => done(resolve));
    const off = options.client.onState(() => done(resolve));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    options.client.get(path, { watch: () => done(resolve) }).catch((error: unknown) => {
      // Whatever it is, looking again tells more.
      if (error instanceof ZooKeeperError) done(resolve);
      else done(() => reject(error));
    });
  });
}

/** Removes an empty lock directory; one that somebody stands in stays. */
export async function removeLockDirectory(client: ZooKeeper, directory: string): Promise<void> {
  try {
    await client.delete(directory);
  } catch (error) {
    if (!(error instanceof NoNodeError || error instanceof NotEmptyError)) throw error;
  }
}
