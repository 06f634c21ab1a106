/**
 * What clouds have refused lately, and for how long it is better not to ask again: a quota refusal for this kind of node at
 * the provider, a capacity refusal for this kind of node in one zone. Shared by all pools of a provider; fades by itself.
 * All times are monotonic milliseconds.
 */
import { fullPauseMs } from '../base/backoff.ts';

export interface Place {
  readonly provider: string;
  readonly zone: string | null;
  readonly label: string;
  /** Labels of one type stand for each other; null: the label stands for itself. */
  readonly instanceType: string | null;
}

export type RefusedFor = 'quota' | 'capacity';

export interface Avoided {
  readonly kind: RefusedFor;
  readonly untilMs: number;
  /** In words, with what the cloud said. */
  readonly reason: string;
}

interface Entry {
  readonly provider: string;
  readonly kind: RefusedFor;
  refusals: number;
  untilMs: number;
  /** Something has changed since: worth another try at once. */
  isFreed: boolean;
  said: string;
}

/** Not spread: this room is pure, and each launcher begins its pauses at a refusal of its own. */
const pauses = {
  quota: { firstMs: 500, mostMs: 30_000 },
  capacity: { firstMs: 2000, mostMs: 60_000 },
} as const;
/** After that long without a refusal the next one is the first again. */
const forgetMs = 600_000;
const mostSaid = 300;

export class CapacityMemory {
  private readonly entries = new Map<string, Entry>();

  /** Returns how long to avoid the place. */
  refused(place: Place, kind: RefusedFor, said: string, nowMs: number, retryAfterMs = 0): Avoided {
    const key = keyOf(place, kind);
    let entry = this.entries.get(key);
    if (!entry || nowMs - entry.untilMs > forgetMs) {
      this.forgetOld(nowMs);
      entry = { provider: place.provider, kind, refusals: 0, untilMs: nowMs, isFreed: false, said: '' };
      this.entries.set(key, entry);
    }
    // Many launches that were under way together are refused together: that is one refusal.
    if (nowMs >= entry.untilMs || entry.isFreed) {
      entry.isFreed = false;
      entry.untilMs = nowMs + Math.max(fullPauseMs(entry.refusals, pauses[kind]), retryAfterMs);
      entry.refusals++;
    }
    entry.said = said.slice(0, mostSaid);
    return this.describe(entry, place);
  }

  /** A launch there came to be: nothing is held against the place any more. */
  worked(place: Place): void {
    if (this.entries.size === 0) return;
    for (const kind of ['quota', 'capacity'] as const) this.entries.delete(keyOf(place, kind));
  }

  /** A node of the provider is gone: what was refused for quota may fit now. */
  freed(provider: string): void {
    for (const entry of this.entries.values()) {
      if (entry.provider === provider && entry.kind === 'quota') entry.isFreed = true;
    }
  }

  avoided(place: Place, kind: RefusedFor, nowMs: number): Avoided | null {
    const entry = this.entries.get(keyOf(place, kind));
    return entry && entry.untilMs > nowMs && !entry.isFreed ? this.describe(entry, place) : null;
  }

  /** Those of the zones that nothing is held against; where there are none, the one that is free again first. */
  bestZones(zones: readonly (string | null)[], place: Omit<Place, 'zone'>, nowMs: number): readonly (string | null)[] {
    if (this.entries.size === 0) return zones;
    const until = (zone: string | null) => this.avoided({ ...place, zone }, 'capacity', nowMs)?.untilMs ?? 0;
    const soonest = Math.min(...zones.map(until));
    return zones.filter((zone) => until(zone) === soonest);
  }

  /** Why no zone there should be asked for such a node now; null: one can be. */
  nowhere(zones: readonly (string | null)[], place: Omit<Place, 'zone'>, nowMs: number): Avoided | null {
    if (this.entries.size === 0) return null;
    const [best] = this.bestZones(zones, place, nowMs);
    return best === undefined ? null : this.avoided({ ...place, zone: best }, 'capacity', nowMs);
  }

  private describe(entry: Entry, place: Place): Avoided {
    const where =
      entry.kind === 'capacity' && place.zone !== null ? `${place.provider} in ${place.zone}` : place.provider;
    return {
      kind: entry.kind,
      untilMs: entry.untilMs,
      reason: `${where} has just refused for ${entry.kind}: ${entry.said}`,
    };
  }

  private forgetOld(nowMs: number): void {
    for (const [key, entry] of this.entries) if (nowMs - entry.untilMs > forgetMs) this.entries.delete(key);
  }
}

function keyOf(place: Place, kind: RefusedFor): string {
  const what = place.instanceType === null ? ['label', place.label] : ['type', place.instanceType];
  return JSON.stringify([kind, place.provider, kind === 'capacity' ? place.zone : null, ...what]);
}
