/**
 * A copy of a subtree in memory, kept by one persistent recursive watch. Changes of one path are applied in their order;
 * after each reconnect it catches up by comparing stats and reads only what has changed.
 */
import { type Runtime, systemRuntime, type Timer } from '../runtime/runtime.ts';
import { ClosedError, NoAuthError, NoNodeError } from '../contract/errors.ts';
import type { NodeData, SessionState, Stat, WatchEvent, WatchHandle, ZooKeeper } from '../contract/types.ts';
import { BatchedReads } from './batched-reads.ts';

type PathClass =
  /** The document is kept. */
  | 'data'
  /** Only its existence is kept; nothing is fetched. */
  | 'name'
  | 'ignore';

export interface MirrorEntry<T> {
  readonly value: T;
  readonly stat: Stat;
}

/** `T` is what a document is read as. */
export interface MirrorOptions<T> {
  readonly client: ZooKeeper;
  readonly root: string;
  /** `path` is relative to the root, without leading slash. */
  readonly classify: (path: string) => PathClass;
  /** The only children of a path that matter, where that is known beforehand: the server need not be asked for them. */
  readonly childrenOf?: (path: string) => readonly string[] | undefined;
  readonly parse: (path: string, data: Buffer) => T;
  /** `entry` is undefined when the path has gone, null for a name. */
  readonly onChange: (path: string, entry: MirrorEntry<T> | null | undefined) => void;
  /** Called whenever `synced` changes. */
  readonly onSync: (synced: boolean) => void;
  readonly onError: (error: unknown) => void;
  readonly runtime?: Runtime;
}

/** A write of our own that is under way (see `ownWrite`). */
export interface OwnWrite<T> {
  committed(value: T, stat: Stat): void;
  failed(): void;
}

interface Expected {
  events: number;
  open: number;
}

const ephemeralDepthLimit = 16;
/** Until the next try after a failure that was not the connection's. */
const retryMs = 1000;

export class Mirror<T> {
  synced = false;
  private readonly options: MirrorOptions<T>;
  private readonly reads: BatchedReads;
  /** Not the data: a document would keep the whole block alive in which it came. */
  private readonly stats = new Map<string, Stat>();
  private readonly names = new Set<string>();
  private readonly expected = new Map<string, Expected>();
  private readonly toFetch = new Set<string>();
  private readonly fetching = new Map<string, number>();
  private fetchScheduled = false;
  private walk = 0;
  /** Names that events created or deleted since the current walk began: the walk's view of them is older. */
  private touchedNames = new Set<string>();
  private watch: WatchHandle | null = null;
  private offState: (() => void) | null = null;
  private closed = false;
  private firstFill: { resolve: () => void; reject: (error: Error) => void } | null = null;
  private retryTimer: Timer | null = null;

  constructor(options: MirrorOptions<T>) {
    this.options = options;
    this.reads = new BatchedReads(options.client);
  }

  /** Resolves when the first fill is complete. */
  async start(): Promise<void> {
    const filled = new Promise<void>((resolve, reject) => {
      this.firstFill = { resolve, reject };
    });
    // Handled even when the watch below fails first.
    filled.catch(() => undefined);
    this.watch = await this.options.client.addWatch(this.options.root, 'persistent-recursive', (event) =>
      this.onEvent(event),
    );
    this.offState = this.options.client.onState((state) => this.onState(state));
    this.resync();
    await filled;
  }

  /** Of the last state that `onChange` was told. */
  stat(path: string): Stat | undefined {
    return this.stats.get(path);
  }

  /** A change of the path has been announced whose data are still on their way. */
  isBehind(path: string): boolean {
    return this.toFetch.has(path) || this.fetching.has(path) || (this.expected.get(path)?.events ?? 0) > 0;
  }

  /** Paths of which a change has been announced whose data are still on their way. */
  *announced(): Iterable<string> {
    yield* this.toFetch;
    yield* this.fetching.keys();
  }

  /** Resolves when all that had happened before the call is known, whoever did it; false when that cannot be said. */
  async catchUp(): Promise<boolean> {
    const { walk } = this;
    // Events come in the order of the transactions, those before the sync come before its answer.
    await this.options.client.sync(this.options.root);
    await Promise.all([...new Set([...this.toFetch, ...this.fetching.keys()])].map((path) => this.fetch(path)));
    return this.synced && this.walk === walk;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.retryTimer?.cancel();
    this.firstFill?.reject(new ClosedError(this.options.root));
    this.offState?.();
    await this.watch?.close();
  }

  /**
   * Announces a write to a known path, before it is sent. The server sends our own event before the answer; when it is the
   * only one that came, the answer's stat and our value are the new state and nothing needs to be fetched.
   */
  ownWrite(path: string): OwnWrite<T> {
    let expected = this.expected.get(path);
    if (!expected) this.expected.set(path, (expected = { events: 0, open: 0 }));
    const mine = expected;
    mine.open++;
    const end = () => {
      mine.open--;
      if (mine.open === 0) this.expected.delete(path);
    };
    return {
      committed: (value, stat) => {
        end();
        this.apply(path, value, stat);
        if (mine.open === 0 && mine.events > 1) this.fetchSoon(path);
      },
      failed: () => {
        end();
        if (mine.open === 0 && mine.events > 0) this.fetchSoon(path);
      },
    };
  }

  /** A node that we have just created. */
  ownCreate(path: string, value: T, stat: Stat): void {
    this.toFetch.delete(path);
    this.apply(path, value, stat);
  }

  // --- events

  private onEvent(event: WatchEvent): void {
    const path = this.relative(event.path);
    if (path === null || path === '') return;
    const kind = this.options.classify(path);
    if (kind === 'ignore') return;
    if (event.type === 'deleted') {
      if (kind === 'name') this.setName(path, false, true);
      else {
        this.toFetch.delete(path);
        this.remove(path);
      }
      return;
    }
    if (kind === 'name') {
      this.setName(path, true, true);
      return;
    }
    const expected = this.expected.get(path);
    if (expected) expected.events++;
    else this.fetchSoon(path);
  }

  private fetchSoon(path: string): void {
    this.toFetch.add(path);
    if (this.fetchScheduled) return;
    this.fetchScheduled = true;
    // Later in this turn an answer to a write of our own may make the fetch needless.
    setImmediate(() => {
      this.fetchScheduled = false;
      const paths = [...this.toFetch];
      this.toFetch.clear();
      for (const path of paths) void this.fetch(path);
    });
  }

  private async fetch(path: string): Promise<void> {
    if (this.closed) return;
    this.fetching.set(path, (this.fetching.get(path) ?? 0) + 1);
    const answer = await this.reads.get(this.full(path)).then(
      (entry) => ({ entry }),
      (error: unknown) => ({ error }),
    );
    // In the same moment as what it has brought is known: in between the path would seem to be up to date.
    const left = this.fetching.get(path)! - 1;
    if (left > 0) this.fetching.set(path, left);
    else this.fetching.delete(path);
    if ('entry' in answer) this.applyRead(path, answer.entry);
    else if (isAbsent(answer.error)) this.remove(path);
    // Whatever else it is: the connection has gone, and the walk after the reconnect reads it again.
    else if (this.options.client.state === 'connected') this.fail(answer.error);
  }

  private fail(error: unknown): void {
    if (this.closed) return;
    this.options.onError(error);
    this.setSynced(false);
    this.retryTimer ??= (this.options.runtime ?? systemRuntime).setTimer(retryMs, () => {
      this.retryTimer = null;
      if (!this.closed && this.options.client.state === 'connected') this.resync();
    });
  }

  // --- state

  private applyRead(path: string, { data, stat }: NodeData): void {
    if (this.isNews(path, stat)) this.apply(path, this.options.parse(path, data), stat);
  }

  private apply(path: string, value: T, stat: Stat): void {
    if (!this.isNews(path, stat)) return;
    this.stats.set(path, stat);
    this.notify(path, { value, stat });
  }

  private isNews(path: string, stat: Stat): boolean {
    const known = this.stats.get(path);
    return !known || known.mzxid < stat.mzxid;
  }

  private remove(path: string): void {
    if (this.stats.delete(path)) this.notify(path, undefined);
  }

  private setName(path: string, present: boolean, touched: boolean): void {
    if (touched && !this.synced) this.touchedNames.add(path);
    if (present === this.names.has(path)) return;
    if (present) this.names.add(path);
    else this.names.delete(path);
    this.notify(path, present ? null : undefined);
  }

  private notify(path: string, entry: MirrorEntry<T> | null | undefined): void {
    try {
      this.options.onChange(path, entry);
    } catch (error) {
      this.options.onError(error);
    }
  }

  // --- catching up

  private onState(state: SessionState): void {
    if (state === 'connected') this.resync();
    else this.setSynced(false);
    if (state === 'closed') this.firstFill?.reject(new ClosedError(this.options.root));
  }

  private setSynced(synced: boolean): void {
    if (this.synced === synced) return;
    this.synced = synced;
    this.options.onSync(synced);
  }

  private resync(): void {
    this.setSynced(false);
    this.touchedNames = new Set();
    const walk = ++this.walk;
    const seen = new Set<string>();
    void this.visitChildren('', seen, 0).then(
      async () => {
        if (walk !== this.walk || this.closed) return;
        await Promise.all([...this.stats.keys()].filter((path) => !seen.has(path)).map((path) => this.fetch(path)));
        if (walk !== this.walk) return;
        for (const path of [...this.names]) {
          if (!seen.has(path) && !this.touchedNames.has(path)) this.setName(path, false, false);
        }
        this.setSynced(true);
        this.firstFill?.resolve();
        this.firstFill = null;
      },
      (error: unknown) => {
        // Lost again: the next connection starts a new walk.
        if (walk === this.walk && this.options.client.state === 'connected') this.fail(error);
      },
    );
  }

  private async visitChildren(path: string, seen: Set<string>, depth: number): Promise<void> {
    if (depth > ephemeralDepthLimit) return;
    try {
      const children = this.options.childrenOf?.(path) ?? (await this.reads.children(this.full(path)));
      await Promise.all(children.map((name) => this.visit(path === '' ? name : `${path}/${name}`, seen, depth + 1)));
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  private async visit(path: string, seen: Set<string>, depth: number): Promise<void> {
    const kind = this.options.classify(path);
    seen.add(path);
    if (kind === 'name') {
      if (!this.touchedNames.has(path)) this.setName(path, true, false);
      return;
    }
    let children = 1;
    if (kind === 'data') {
      const stat = await this.readIfChanged(path);
      children = stat?.numChildren ?? 0;
    }
    if (children > 0) await this.visitChildren(path, seen, depth);
  }

  private async readIfChanged(path: string): Promise<Stat | null> {
    const known = this.stats.get(path);
    if (known) {
      const stat = await this.options.client.exists(this.full(path));
      if (stat && stat.mzxid === known.mzxid) return stat;
    }
    try {
      const entry = await this.reads.get(this.full(path));
      this.applyRead(path, entry);
      return entry.stat;
    } catch (error) {
      if (!isAbsent(error)) throw error;
      this.remove(path);
      return null;
    }
  }

  private full(path: string): string {
    return path === '' ? this.options.root : `${this.options.root}/${path}`;
  }

  private relative(path: string): string | null {
    const { root } = this.options;
    if (path === root) return '';
    return path.startsWith(root) && path[root.length] === '/' ? path.slice(root.length + 1) : null;
  }
}

/** What may not be read is, for a reader, not there. */
function isAbsent(error: unknown): boolean {
  return error instanceof NoNodeError || error instanceof NoAuthError;
}
