/**
 * What the driver metastatic notes on a node whose slots it hands out (spec: ZooKeeper data model, metastatic documents): a
 * JSON text in `user_data`. Claims are ours alone; the Python Nodepool neither reads nor keeps them.
 */
export interface BackingMark {
  readonly owner: string;
  /** Requested label that the slots are for. */
  readonly label: string;
  readonly slots: number;
  readonly failed: boolean;
  /** Seconds since the epoch. */
  readonly launched: number;
  /** Ids of requested nodes by slot. */
  readonly claims: ReadonlyMap<number, string>;
  /** Put to use, or used since, by a launcher that writes claims: the Python Nodepool does not. */
  readonly claimable: boolean;
}

/** null: it belongs to somebody else. */
export function parseBackingMark(userData: unknown, owner: string): BackingMark | null {
  if (typeof userData !== 'string' || !userData.includes(owner)) return null;
  let mark: unknown;
  try {
    mark = JSON.parse(userData);
  } catch {
    return null;
  }
  if (typeof mark !== 'object' || mark === null) return null;
  const { owner: its, label, slots, failed, launched, nodepool_claims: claims } = mark as Record<string, unknown>;
  if (its !== owner || typeof label !== 'string' || !Number.isSafeInteger(slots) || (slots as number) < 1) return null;
  return {
    owner,
    label,
    slots: slots as number,
    failed: failed === true,
    launched: typeof launched === 'number' ? launched : 0,
    claims: parseClaims(claims, slots as number),
    claimable: claims !== undefined,
  };
}

function parseClaims(value: unknown, slots: number): Map<number, string> {
  const claims = new Map<number, string>();
  if (typeof value !== 'object' || value === null) return claims;
  for (const [key, id] of Object.entries(value)) {
    const slot = Number(key);
    if (Number.isSafeInteger(slot) && slot >= 0 && slot < slots && typeof id === 'string') claims.set(slot, id);
  }
  return claims;
}

export function encodeBackingMark(mark: BackingMark): string {
  const { owner, label, slots, failed, launched, claims } = mark;
  return JSON.stringify({ owner, label, slots, failed, launched, nodepool_claims: Object.fromEntries(claims) });
}

export interface BackingUse {
  readonly backingNode: string;
  readonly slot: number;
}

/** What a requested node's `driver_data` says of the node under it. */
export function parseBackingUse(driverData: unknown): BackingUse | null {
  if (typeof driverData !== 'object' || driverData === null) return null;
  const { backing_node: backingNode, slot } = driverData as Record<string, unknown>;
  if (typeof backingNode !== 'string' || !Number.isSafeInteger(slot)) return null;
  return { backingNode, slot: slot as number };
}
