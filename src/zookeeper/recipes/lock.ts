/**
 * The exclusive lock of kazoo, to the bit: a contender `<32 hex>__lock__<sequence>` in the lock's directory; the one with
 * the smallest sequence (compared as text) holds the lock, everybody else watches the next smaller one.
 */
import type { Runtime } from '../../runtime.ts';
import {
  ConnectionLossError,
  DeadlineExceededError,
  NoNodeError,
  NotEmptyError,
  ZooKeeperError,
} from '../client/errors.ts';
import type { MultiOperation, ZooKeeper } from '../client/types.ts';

export interface LockOptions {
  readonly client: ZooKeeper;
  readonly runtime: Runtime;
  /** The lock's directory. */
  readonly path: string;
  /** Stored in the contender, for people. */
  readonly identifier?: string;
  /** Make missing ancestors of the directory too; otherwise their absence means that the object is gone. */
  readonly createParents: boolean;
  /** The contender outlives the session; given back by `forceUnlock`. */
  readonly persistent?: boolean;
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

  constructor(client: ZooKeeper, directory: string, contender: string, persistent = false) {
    this.client = client;
    this.directory = directory;
    this.contender = contender;
    this.sessionId = client.sessionId;
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
    await removeContender(this.client, this.path, this.sessionId);
  }
}

/** Deletes until it is known to be gone: a lost answer must not leave a contender behind as long as its session lives. */
export async function removeContender(client: ZooKeeper, path: string, sessionId: bigint): Promise<void> {
  for (;;) {
    try {
      await client.delete(path);
      return;
    } catch (error) {
      if (error instanceof NoNodeError) return;
      const uncertain = error instanceof ConnectionLossError || error instanceof DeadlineExceededError;
      if (!uncertain || client.sessionId !== sessionId) return;
    }
  }
}

/** Non-blocking: 'locked' when somebody stands in front. */
export async function tryLock(o: LockOptions): Promise<LockResult> {
  const attempt = await enter(o);
  if (attempt === null) return { result: 'gone' };
  const sessionId = o.client.sessionId;
  try {
    const { children } = await o.client.children(o.path);
    if (sortContenders(children)[0] === attempt) return acquired(o, attempt);
    await removeContender(o.client, `${o.path}/${attempt}`, sessionId);
    return { result: 'locked' };
  } catch (error) {
    await removeContender(o.client, `${o.path}/${attempt}`, sessionId);
    if (error instanceof NoNodeError) return { result: 'gone' };
    throw error;
  }
}

/** Waits until the lock is free, the time is up ('locked'), or the signal fires (rejects with its reason). */
export async function lock(
  o: LockOptions,
  wait: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LockResult> {
  const deadline = wait.timeoutMs === undefined ? null : o.runtime.monotonicMs() + wait.timeoutMs;
  for (;;) {
    const contender = await enter(o);
    if (contender === null) return { result: 'gone' };
    const sessionId = o.client.sessionId;
    const leave = () => removeContender(o.client, `${o.path}/${contender}`, sessionId);
    try {
      const outcome = await waitForTurn(o, contender, deadline, wait.signal);
      if (outcome === 'mine') return acquired(o, contender);
      if (outcome === 'vanished') continue;
      await leave();
      return { result: 'locked' };
    } catch (error) {
      await leave();
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

function acquired(o: LockOptions, contender: string): LockResult {
  return { result: 'acquired', lock: new HeldLock(o.client, o.path, contender, o.persistent) };
}

/** Creates a contender and returns its name; null when the directory's parent does not exist (and must not be made). */
async function enter(o: LockOptions): Promise<string | null> {
  const prefix = newContenderPrefix(o.runtime);
  const data = Buffer.from(o.identifier ?? '');
  const mode = o.persistent ? 'persistent-sequential' : 'ephemeral-sequential';
  for (let uncertain = false; ; ) {
    try {
      if (uncertain) {
        const { children } = await o.client.children(o.path);
        const mine = children.find((name) => name.startsWith(prefix));
        if (mine !== undefined) return mine;
      }
      const made = await o.client.create(`${o.path}/${prefix}`, data, { mode });
      return made.path.slice(o.path.length + 1);
    } catch (error) {
      if (error instanceof ConnectionLossError || error instanceof DeadlineExceededError) {
        uncertain = true;
        if (error instanceof DeadlineExceededError && o.client.state === 'closed') throw error;
        continue;
      }
      if (!(error instanceof NoNodeError)) throw error;
      if (!(await makeDirectory(o))) return null;
    }
  }
}

async function makeDirectory(o: LockOptions): Promise<boolean> {
  if (o.createParents) {
    await o.client.ensurePath(o.path);
    return true;
  }
  try {
    await o.client.create(o.path, new Uint8Array());
    return true;
  } catch (error) {
    if (error instanceof NoNodeError) return false;
    if (error instanceof ZooKeeperError && error.code === 'node-exists') return true;
    throw error;
  }
}

async function waitForTurn(
  o: LockOptions,
  contender: string,
  deadline: number | null,
  signal: AbortSignal | undefined,
): Promise<'mine' | 'vanished' | 'late'> {
  const sessionId = o.client.sessionId;
  for (;;) {
    const { children } = await o.client.children(o.path, { ...(signal ? { signal } : {}) });
    const order = sortContenders(children);
    const at = order.indexOf(contender);
    if (at < 0) return 'vanished';
    if (at === 0) return 'mine';
    const left = deadline === null ? null : deadline - o.runtime.monotonicMs();
    if (left !== null && left <= 0) return 'late';
    await changeOf(o, `${o.path}/${order[at - 1]!}`, left, signal);
    if (o.client.sessionId !== sessionId) return 'vanished';
  }
}

/** Resolves at any event on the predecessor, any change of the session, or the end of the time. */
function changeOf(
  o: LockOptions,
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
    const timer = timeoutMs === null ? null : o.runtime.setTimer(timeoutMs, () => done(resolve));
    const off = o.client.onState(() => done(resolve));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    o.client.get(path, { watch: () => done(resolve) }).catch((error: unknown) => {
      if (error instanceof NoNodeError) done(resolve);
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
