/**
 * Arithmetic on quantities of resources (`instances`, `cores`, `ram` in MiB, `volumes`, `volume-gb`, any other name).
 * In a use or a need an absent name means 0; in limits it means unlimited (spec: launcher, quota).
 */
export type Resources = Readonly<Record<string, number>>;

export function plus(a: Resources, b: Resources): Resources {
  const sum: Record<string, number> = { ...a };
  for (const name of Object.keys(b)) sum[name] = (sum[name] ?? 0) + (b[name] ?? 0);
  return sum;
}

/** A running total that is changed in place; entries that return to 0 disappear. */
export class ResourceTotal {
  private readonly amounts = new Map<string, number>();

  add(resources: Resources, sign: 1 | -1 = 1): void {
    for (const name of Object.keys(resources)) {
      const amount = (this.amounts.get(name) ?? 0) + sign * (resources[name] ?? 0);
      // Floating point amounts (never seen, but allowed) must not leave dust behind.
      if (Math.abs(amount) < 1e-9) this.amounts.delete(name);
      else this.amounts.set(name, amount);
    }
  }

  get(name: string): number {
    return this.amounts.get(name) ?? 0;
  }

  toObject(): Resources {
    return Object.fromEntries(this.amounts);
  }
}

export interface Shortage {
  readonly resource: string;
  readonly limit: number;
  readonly used: number;
  readonly needed: number;
}

/** The first resource that does not fit, or null. `used` may be a plain object or a running total. */
export function shortage(limits: Resources, used: Resources | ResourceTotal, need: Resources): Shortage | null {
  for (const resource of Object.keys(need)) {
    const limit = limits[resource];
    const needed = need[resource] ?? 0;
    if (limit === undefined || needed <= 0) continue;
    const inUse = used instanceof ResourceTotal ? used.get(resource) : (used[resource] ?? 0);
    if (inUse + needed > limit) return { resource, limit, used: inUse, needed };
  }
  return null;
}
