/**
 * The exclusive lock of kazoo, to the bit: a contender `<32 hex>__lock__<sequence>` in the lock's directory; the one with
 * the smallest sequence (compared as text) holds the lock, everybody else watches the next smaller one.
 */
import type { Runtime } from '../runtime/runtime.ts';
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
export async function tryLock(o: LockOptions): Promise<LockResult> {
  return lock(o, { timeoutMs: 0 });
}

/** Waits until the lock is free, the time is up ('locked'), or the signal fires (rejects with its reason). */
export async function lock(
  o: LockOptions,
  wait: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LockResult> {
  const deadline = wait.timeoutMs === undefined ? null : o.runtime.monotonicMs() + wait.timeoutMs;
  for (;;) {
    const place = await enter(o, deadline === null, wait.signal);
    if (place === null) return { result: 'gone' };
    const path = `${o.path}/${place.contender}`;
    const leave = () => removeContender(o.client, path, o.persistent ? null : place.sessionId);
    try {
      const outcome = await waitForTurn(o, place, deadline, wait.signal);
      if (outcome === 'mine') return acquired(o, place);
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

/** A contender and the session that it lives and dies with. */
interface Place {
  readonly contender: string;
  readonly sessionId: bigint;
}

function acquired(o: LockOptions, place: Place): LockResult {
  return { result: 'acquired', lock: new HeldLock(o.client, o.path, place.contender, o.persistent, place.sessionId) };
}

function isUncertain(error: unknown): boolean {
  return error instanceof ConnectionLossError || error instanceof DeadlineExceededError;
}

/**
 * Creates a contender; null when the directory's parent does not exist (and must not be made). An answer that was lost is
 * looked for by the contender's random prefix. `patient`: outlasts any time without a server.
 */
async function enter(o: LockOptions, patient: boolean, signal: AbortSignal | undefined): Promise<Place | null> {
  const data = Buffer.from(o.identifier ?? '');
  const mode = o.persistent ? 'persistent-sequential' : 'ephemeral-sequential';
  let prefix = newContenderPrefix(o.runtime);
  let isUnsure = false;
  for (;;) {
    try {
      signal?.throwIfAborted();
      if (isUnsure) {
        const found = await findMine(o, prefix, signal ? { signal } : {});
        if (found) return found;
        // What an ended session may have left goes with it; it must not be taken for ours later.
        if (!o.persistent) prefix = newContenderPrefix(o.runtime);
        isUnsure = false;
      }
      const made = await o.client.create(`${o.path}/${prefix}`, data, { mode, ...(signal ? { signal } : {}) });
      return { contender: made.path.slice(o.path.length + 1), sessionId: o.client.sessionId };
    } catch (error) {
      if (signal?.aborted) {
        void sweep(o, prefix, o.client.sessionId);
        throw error;
      }
      if (isUncertain(error)) {
        isUnsure = true;
        if (patient || error instanceof ConnectionLossError) continue;
        void sweep(o, prefix, o.client.sessionId);
        throw error;
      }
      if (error instanceof SessionExpiredError && (patient || isUnsure)) continue;
      if (!(error instanceof NoNodeError)) throw error;
      if (!(await makeDirectory(o))) return null;
    }
  }
}

/**
 * The contender that an unanswered creation has made. It may have been sent under another session than the one that it was
 * asked for in, so that only the owner of the znode tells whether it lives as long as we do.
 */
async function findMine(o: LockOptions, prefix: string, options: CallOptions): Promise<Place | null> {
  // A server that was joined just now may not have it yet.
  await o.client.sync(o.path, options);
  const { children } = await o.client.children(o.path, options);
  for (const contender of children.filter((name) => name.startsWith(prefix))) {
    const stat = o.persistent ? null : await o.client.exists(`${o.path}/${contender}`, options);
    const { sessionId } = o.client;
    if (o.persistent || stat?.ephemeralOwner === sessionId) return { contender, sessionId };
  }
  return null;
}

/** Removes the contender of a caller who has given up without knowing whether it was made. */
async function sweep(o: LockOptions, prefix: string, sessionId: bigint): Promise<void> {
  while (o.client.state !== 'closed' && (o.persistent || o.client.sessionId === sessionId)) {
    try {
      await o.client.sync(o.path);
      const { children } = await o.client.children(o.path);
      const mine = children.find((name) => name.startsWith(prefix));
      if (mine !== undefined) await removeContender(o.client, `${o.path}/${mine}`, o.persistent ? null : sessionId);
      return;
    } catch (error) {
      if (!isUncertain(error)) return;
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
  place: Place,
  deadline: number | null,
  signal: AbortSignal | undefined,
): Promise<'mine' | 'vanished' | 'late'> {
  const options = signal ? { signal } : {};
  for (;;) {
    let children: readonly string[];
    try {
      ({ children } = await o.client.children(o.path, options));
    } catch (error) {
      if (error instanceof SessionExpiredError && !o.persistent) return 'vanished';
      if (error instanceof NoNodeError) return 'vanished';
      if (deadline === null && error instanceof ZooKeeperError && error.retriable) continue;
      throw error;
    }
    // A contender of an ended session may still be listed; it is not ours any more.
    if (!o.persistent && o.client.sessionId !== place.sessionId) return 'vanished';
    const order = sortContenders(children);
    const at = order.indexOf(place.contender);
    if (at < 0) return 'vanished';
    if (at === 0) return 'mine';
    const left = deadline === null ? null : deadline - o.runtime.monotonicMs();
    if (left !== null && left <= 0) return 'late';
    await changeOf(o, `${o.path}/${order[at - 1]!}`, left, signal);
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
