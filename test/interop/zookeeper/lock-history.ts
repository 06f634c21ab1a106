/** Who held a lock when, as the holders themselves recorded it, and whether two held it at one time. */
export interface Held {
  readonly who: string;
  /** Nanoseconds of the machine's monotonic clock. */
  readonly from: bigint;
  readonly to: bigint;
}

/** Pairs of holders at one time. */
export function overlaps(history: readonly Held[]): [Held, Held][] {
  const sorted = [...history].sort((a, b) => (a.from < b.from ? -1 : 1));
  const found: [Held, Held][] = [];
  let latest: Held | undefined;
  for (const held of sorted) {
    if (latest && held.from < latest.to) found.push([latest, held]);
    if (!latest || held.to > latest.to) latest = held;
  }
  return found;
}
