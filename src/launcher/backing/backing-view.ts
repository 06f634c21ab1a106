/**
 * Which nodes of the tree are backing nodes of one owner, and which of their slots are taken. A node is owned when its
 * document says so and the first contender of its lock carries the owner's name, which is read once for each contender.
 */
import { type BackingMark, parseBackingMark, parseBackingUse } from '../../records/backing.ts';
import { isBroken } from '../../records/broken.ts';
import { firstContender } from '../../store/transactions/backing-operations.ts';
import type { NodeEntry, Store } from '../../store/mirrors/store.ts';

export interface BackingViewDeps {
  readonly store: Store;
  readonly owner: string;
  /** Provider of the requested nodes. */
  readonly providerName: string;
  readonly holder: (nodeId: string) => Promise<{ contender: string; owner: string } | null>;
  readonly onChange: () => void;
}

export interface OwnedEntry {
  readonly id: string;
  readonly mark: BackingMark;
  /** Slot by id of the requested node, from claims and from what the nodes say themselves. */
  readonly taken: ReadonlyMap<string, number>;
}

const nothing: ReadonlyMap<string, number> = new Map();

export class BackingView {
  private readonly deps: BackingViewDeps;
  /** Nodes that were given to the owner's requests. */
  private readonly candidates = new Set<string>();
  /** Contender by node id: is it the owner's? */
  private readonly holders = new Map<string, { readonly contender: string; readonly ours: boolean }>();
  private readonly asking = new Set<string>();
  private readonly usesOf = new Map<string, Map<string, number>>();
  private readonly useBy = new Map<string, string>();
  private readonly waiters = new Set<() => void>();
  private readonly unfollow: (() => void)[];
  private stopped = false;

  constructor(deps: BackingViewDeps) {
    this.deps = deps;
    for (const entry of deps.store.nodes.all()) this.apply(entry.id, entry);
    this.unfollow = [
      deps.store.nodes.onChange((id, before, after) => {
        if (this.apply(id, after) || this.useBy.has(id) || this.isRequested(before)) this.changed();
      }),
    ];
  }

  stop(): void {
    this.stopped = true;
    for (const off of this.unfollow) off();
    this.changed();
  }

  /** Is it known of every node whether it is owned? */
  get isSettled(): boolean {
    return this.asking.size === 0;
  }

  settled(): Promise<void> {
    return this.until(() => this.isSettled);
  }

  /** Resolves when a node that was just bound can be seen as owned, or has gone. */
  shown(id: string): Promise<void> {
    return this.until(() => {
      const entry = this.deps.store.nodes.get(id);
      return !entry?.node || isBroken(entry.node) || entry.node.state !== 'in-use' || this.get(id) !== undefined;
    });
  }

  know(id: string, contender: string): void {
    this.holders.set(id, { contender, ours: true });
  }

  owned(): OwnedEntry[] {
    return [...this.candidates].flatMap((id) => this.get(id) ?? []);
  }

  get(id: string): OwnedEntry | undefined {
    const entry = this.candidates.has(id) ? this.deps.store.nodes.get(id) : undefined;
    if (!entry?.node || isBroken(entry.node) || entry.node.state !== 'in-use' || !this.isHeld(entry)) return undefined;
    const mark = parseBackingMark(entry.node.userData, this.deps.owner);
    if (!mark) return undefined;
    const taken = new Map(this.uses(id));
    for (const [slot, nodeId] of mark.claims) taken.set(nodeId, slot);
    return { id, mark, taken };
  }

  /** What requested nodes say: slot by node id. */
  uses(backingId: string): ReadonlyMap<string, number> {
    return this.usesOf.get(backingId) ?? nothing;
  }

  /** Held by the owner, without a note of its own. */
  halfBound(): NodeEntry[] {
    return [...this.candidates].flatMap((id) => {
      const entry = this.deps.store.nodes.get(id);
      if (!entry?.node || isBroken(entry.node) || !this.isHeld(entry)) return [];
      const { state, userData } = entry.node;
      if (state !== 'ready' && state !== 'in-use') return [];
      return parseBackingMark(userData, this.deps.owner) ? [] : [entry];
    });
  }

  private isRequested(entry: NodeEntry | undefined): boolean {
    return !!entry?.node && !isBroken(entry.node) && entry.node.provider === this.deps.providerName;
  }

  private isHeld(entry: NodeEntry): boolean {
    const known = this.holders.get(entry.id);
    return known !== undefined && known.ours && firstContender(entry) === known.contender;
  }

  /** True when it concerns backing nodes. */
  private apply(id: string, entry: NodeEntry | undefined): boolean {
    this.noteUse(id, entry);
    const node = entry?.node && !isBroken(entry.node) ? entry.node : null;
    if (!entry || node?.requestor !== this.deps.owner) {
      this.holders.delete(id);
      return this.candidates.delete(id);
    }
    this.candidates.add(id);
    const first = firstContender(entry);
    if (first !== undefined && this.holders.get(id)?.contender !== first) void this.ask(id);
    return true;
  }

  private noteUse(id: string, entry: NodeEntry | undefined): void {
    const node = entry?.node;
    const use =
      node && !isBroken(node) && node.provider === this.deps.providerName ? parseBackingUse(node.driverData) : null;
    const before = this.useBy.get(id);
    if (before !== undefined && before !== use?.backingNode) {
      this.usesOf.get(before)?.delete(id);
      if (this.usesOf.get(before)?.size === 0) this.usesOf.delete(before);
      this.useBy.delete(id);
    }
    if (!use) return;
    this.useBy.set(id, use.backingNode);
    const uses = this.usesOf.get(use.backingNode) ?? new Map<string, number>();
    this.usesOf.set(use.backingNode, uses.set(id, use.slot));
  }

  private async ask(id: string): Promise<void> {
    if (this.asking.has(id)) return;
    this.asking.add(id);
    try {
      const holder = await this.deps.holder(id);
      if (holder) this.holders.set(id, { contender: holder.contender, ours: holder.owner === this.deps.owner });
    } catch {
      // Asked again with the next change, which the return of the connection brings at the latest.
    } finally {
      this.asking.delete(id);
      this.changed();
    }
  }

  private changed(): void {
    for (const waiter of [...this.waiters]) waiter();
    if (!this.stopped) this.deps.onChange();
  }

  private until(test: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.stopped && !test()) return;
        this.waiters.delete(look);
        resolve();
      };
      this.waiters.add(look);
      look();
    });
  }
}
