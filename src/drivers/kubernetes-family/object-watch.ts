/**
 * Objects of one kind as the API server reports them: listed once, followed by a watch, resumed where it broke off, listed
 * again when the server does not remember that place any more (410). Where the right to watch is missing it says so; whoever
 * waits must ask for himself then.
 */
import { onAbort } from '../../base/signals.ts';
import { Backoff } from '../../base/backoff.ts';
import { asProviderError } from '../../driver-kit/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { ApiError, hasStatus } from './api-error.ts';
import type { KubeApi, WatchEvent } from './api.ts';
import { fields, type KubeObject, readObject, text } from './objects.ts';

export interface ObjectWatchDeps {
  readonly api: KubeApi;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export interface ObjectWatchOptions {
  /** Of the collection. */
  readonly path: string;
  readonly selector: string;
  /** Plural, for people. */
  readonly what: string;
  readonly provider: string;
}

/** The server ends a watch after this; one that lasts longer stands still. */
const watchSeconds = 240;
const graceMs = 15_000;
const hastyMs = 1000;
/** A watch that held so long was a good one. */
const longMs = 10_000;
/** A right that was missing may have been given. */
const refusedPauseMs = 300_000;
const rememberedDeletions = 2000;

export class ObjectWatch {
  private readonly deps: ObjectWatchDeps;
  private readonly options: ObjectWatchOptions;
  private readonly stopping = new AbortController();
  private readonly objects = new Map<string, KubeObject>();
  private readonly deleted = new Set<string>();
  /** Nothing was heard of them for long: a watch can stand still without breaking off. */
  private readonly doubted = new Set<string>();
  private readonly waiters = new Map<string, Set<() => void>>();
  private readonly backoff: Backoff;
  private following = false;
  private trouble: { readonly error: unknown; readonly sinceMs: number } | null = null;

  constructor(deps: ObjectWatchDeps, options: ObjectWatchOptions) {
    this.deps = deps;
    this.options = options;
    this.backoff = new Backoff({ runtime: deps.runtime, firstMs: 250, mostMs: 30_000 });
  }

  start(): void {
    void this.run();
  }

  stop(): void {
    this.stopping.abort(new Error('the provider stops'));
    this.setFollowing(false);
  }

  /** What it says is what the server says, give or take a moment. */
  get live(): boolean {
    return this.following;
  }

  /** undefined: it has to be asked for. */
  get(name: string, namespace: string | null = null): KubeObject | undefined {
    const key = keyOf(name, namespace);
    return this.doubted.delete(key) ? undefined : this.objects.get(key);
  }

  /** Has the object with this uid ended before our eyes? */
  sawEndOf(uid: string): boolean {
    return this.deleted.has(uid);
  }

  /**
   * Resolves when the object is not as `seen` any more, or when the watch breaks off; also, to be safe, after `limitMs`.
   */
  changed(seen: KubeObject, limitMs: number, signal: AbortSignal): Promise<void> {
    const key = keyOf(seen.name, seen.namespace);
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        unfollow();
        set.delete(wake);
        if (set.size === 0 && this.waiters.get(key) === set) this.waiters.delete(key);
        resolve();
      };
      const set = this.waiters.get(key) ?? new Set();
      this.waiters.set(key, set.add(wake));
      const timer = this.deps.runtime.setBackgroundTimer(limitMs, () => {
        this.doubted.add(key);
        wake();
      });
      const unfollow = onAbort(signal, wake);
      const there = this.objects.get(key);
      const other = there ? there.resourceVersion !== seen.resourceVersion : this.deleted.has(seen.uid);
      if (other || !this.following || signal.aborted) wake();
    });
  }

  *troubles(): Iterable<Trouble> {
    if (!this.trouble) return;
    const { what, path } = this.options;
    const { error, sinceMs } = this.trouble;
    const refused = hasStatus(error, 403);
    yield {
      key: `watch of ${what} at ${path}`,
      severity: refused ? 'info' : 'warning',
      what: refused ? `${what} may not be watched` : `${what} can't be watched`,
      why: asProviderError(error).message,
      sinceMs,
      hint: refused
        ? `they are asked for again and again instead; grant the verbs list and watch on ${what} to save these calls`
        : 'they are asked for again and again meanwhile; does the API server answer, are the credentials good?',
      said: true,
    };
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    let version = '';
    while (!signal.aborted) {
      const beganMs = this.deps.runtime.monotonicMs();
      try {
        if (version === '') version = await this.list();
        try {
          version = await this.follow(version);
        } catch (error) {
          // Gone: the place is forgotten, all of it has to be read again, at once.
          if (!hasStatus(error, 410)) throw error;
          version = '';
        }
        // A server that ends each watch at once must not be asked all the time.
        if (this.deps.runtime.monotonicMs() - beganMs < hastyMs)
          await sleep(this.deps.runtime, this.backoff.nextMs(), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (this.deps.runtime.monotonicMs() - beganMs > longMs) this.backoff.reset();
        // While it is being resumed nothing is missed: the server goes on from that place.
        const { code, retryAfterMs = 0 } = asProviderError(error);
        if (code !== 'network' && code !== 'throttled') version = '';
        this.setFollowing(false);
        this.failed(error);
        const pauseMs = hasStatus(error, 403) ? refusedPauseMs : Math.max(retryAfterMs, this.backoff.nextMs());
        await sleep(this.deps.runtime, pauseMs, signal).catch(() => {});
      }
    }
  }

  private async list(): Promise<string> {
    const { api } = this.deps;
    const { path, selector } = this.options;
    const { items, resourceVersion } = await api.list(path, selector, this.stopping.signal);
    const before = new Map(this.objects);
    this.objects.clear();
    for (const object of items) {
      const key = keyOf(object.name, object.namespace);
      this.objects.set(key, object);
      if (before.get(key)?.resourceVersion !== object.resourceVersion) this.wake(key);
      if (before.get(key)?.uid === object.uid) before.delete(key);
    }
    for (const [key, object] of before) {
      this.remember(object.uid);
      this.wake(key);
    }
    return resourceVersion;
  }

  /** Returns the place from which to go on. */
  private async follow(from: string): Promise<string> {
    const { api, runtime } = this.deps;
    const { path, selector } = this.options;
    let version = from;
    const round = new AbortController();
    const unfollow = onAbort(this.stopping.signal, () => round.abort(this.stopping.signal.reason));
    const timer = runtime.setBackgroundTimer(watchSeconds * 1000 + graceMs, () =>
      round.abort(new ApiError('network', 'the watch stands still', { status: 0, reason: '' })),
    );
    try {
      const query = {
        ...(selector ? { labelSelector: selector } : {}),
        resourceVersion: version,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(watchSeconds),
      };
      const opened = () => {
        this.setFollowing(true);
        this.ended();
      };
      for await (const event of api.watch(path, query, round.signal, opened)) {
        this.backoff.reset();
        version = this.take(event) || version;
      }
      return version;
    } catch (error) {
      // The rest of the events comes from where it broke off.
      if (error instanceof ApiError && error.code === 'network' && version !== from) return version;
      throw error;
    } finally {
      timer.cancel();
      unfollow();
    }
  }

  /** Returns the version that it brings to. */
  private take({ type, object: raw }: WatchEvent): string {
    if (type === 'ERROR') {
      const { code, message } = fields(raw);
      const status = typeof code === 'number' ? code : 0;
      throw new ApiError('unknown', `the watch was ended: ${text(message)}`, {
        status,
        reason: text(fields(raw)['reason']),
      });
    }
    const object = readObject(raw);
    const key = keyOf(object.name, object.namespace);
    if (type === 'ADDED' || type === 'MODIFIED') this.objects.set(key, object);
    if (type === 'DELETED') {
      this.objects.delete(key);
      this.remember(object.uid);
    }
    if (type !== 'BOOKMARK') this.wake(key);
    return object.resourceVersion;
  }

  private remember(uid: string): void {
    this.deleted.add(uid);
    if (this.deleted.size > rememberedDeletions)
      for (const oldest of this.deleted) return void this.deleted.delete(oldest);
  }

  private wake(key: string): void {
    for (const wake of [...(this.waiters.get(key) ?? [])]) wake();
  }

  private setFollowing(following: boolean): void {
    if (this.following === following) return;
    this.following = following;
    if (!following) for (const key of [...this.waiters.keys()]) this.wake(key);
  }

  private ended(): void {
    if (!this.trouble) return;
    this.trouble = null;
    this.deps.log.info({ provider: this.options.provider, what: this.options.what }, 'A watch works again');
  }

  /** Watches break off now and then: the first time in a row is not worth a word, unless nothing will help. */
  private failed(error: unknown): void {
    const { log, runtime } = this.deps;
    const { provider, what } = this.options;
    const refused = hasStatus(error, 403);
    if (this.backoff.failures === 0 && !refused) return;
    if (!this.trouble) {
      const message = 'A watch failed; objects are asked for one by one meanwhile';
      if (refused) log.info({ provider, what, err: error }, message);
      else log.warn({ provider, what, err: error }, message);
    }
    this.trouble = { error, sinceMs: this.trouble?.sinceMs ?? runtime.monotonicMs() };
  }
}

const keyOf = (name: string, namespace: string | null): string => (namespace === null ? name : `${namespace}/${name}`);
