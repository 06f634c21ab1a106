/** What a driver's test provides for the conformance suite: a bed, and what the partner in it cannot show. */
import type { PoolLabelConfig, ProviderConfig } from '../../../config/model.ts';
import type { Adapter } from '../../../driver-kit/contract.ts';

/** Levers on the cloud from outside. One that is missing is declared as not shown, or the suite fails. */
export interface CloudLevers {
  /** The next so many creations fail. */
  readonly failCreates?: (n: number) => Promise<unknown>;
  readonly failDeletes?: (n: number) => Promise<unknown>;
  /** From now on the account has room for so many instances (null: no limit). */
  readonly limitInstances?: (limit: number | null) => Promise<unknown>;
  /** The next so many instances never become usable. */
  readonly neverActive?: (n: number) => Promise<unknown>;
  /** The next so many instances break while they start. */
  readonly breakInstances?: (n: number) => Promise<unknown>;
  readonly throttle?: (calls: number) => Promise<unknown>;
  readonly unavailable?: (calls: number) => Promise<unknown>;
  readonly loseCreateAnswers?: (n: number) => Promise<unknown>;
  readonly hang?: (on: boolean) => Promise<unknown>;
  /** An instance of somebody else. */
  readonly addForeign?: (metadata: Readonly<Record<string, string>>) => Promise<unknown>;
}

export interface ConformanceBed {
  readonly config: ProviderConfig;
  readonly poolName: string;
  readonly label: PoolLabelConfig;
  /** One that the cloud can never serve. */
  readonly impossibleLabel?: PoolLabelConfig;
  readonly labelWithMissingImage?: PoolLabelConfig;
  /** A new one each time, on the same cloud: as after a restart. */
  createAdapter(): Adapter;
  /** What is there, seen without the driver. */
  instances(): Promise<readonly { readonly id: string; readonly metadata: Readonly<Record<string, string>> }[]>;
  /** Without those that are declared as not shown. */
  readonly levers: CloudLevers;
  /** An id that could be one of this driver's, where not every text could; nothing has it. */
  readonly unknownId?: string;
  /** How long a launch or a deletion may take in this cloud; default 20 s. */
  readonly normalMs?: number;
  dispose(): Promise<void>;
}

/** What a test of the suite needs besides a cloud that works. */
export type Demand = keyof CloudLevers | 'impossibleLabel' | 'labelWithMissingImage' | 'repeatedCreation';

/** A declaration: the partner, or the cloud itself, cannot show this, and why. */
export interface NotShown {
  readonly what: Demand;
  readonly why: string;
}

/** What the bed has for a demand. A missing one that is not declared is an error, so that nothing is skipped in silence. */
export function provided<K extends Exclude<Demand, 'repeatedCreation'>>(
  bed: ConformanceBed,
  notShown: readonly NotShown[],
  what: K,
): NonNullable<(CloudLevers & ConformanceBed)[K]> | null {
  const found =
    (bed.levers as Partial<ConformanceBed & CloudLevers>)[what] ?? (bed as Partial<ConformanceBed & CloudLevers>)[what];
  if (found !== undefined) return found;
  if (notShown.some((one) => one.what === what)) return null;
  throw new Error(`the bed has no ${what}: provide it, or declare as not shown why the partner cannot have it`);
}

/** The declared ones that the bed, or the adapter, has after all. */
export function shownAfterAll(bed: ConformanceBed, adapter: Adapter, notShown: readonly NotShown[]): Demand[] {
  const isShown = (what: Demand) =>
    what === 'repeatedCreation' ? adapter.createIsIdempotent === true : what in bed.levers || what in bed;
  return notShown.map(({ what }) => what).filter(isShown);
}
