/** Something that does not go as it should, in words for an operator: what, why, since when, and what to do. */

/** The worst first. */
export const severities = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof severities)[number];

export interface Trouble {
  /** Stays the same as long as it is the same trouble. */
  readonly key: string;
  readonly severity: Severity;
  /** Without figures that change all the time. */
  readonly what: string;
  readonly why: string;
  /** Monotonic milliseconds; null: since it was first seen. */
  readonly sinceMs: number | null;
  readonly hint: string;
  /** Whoever found it has logged it. */
  readonly said?: true;
  /** How much of it there is: counts and milliseconds, by name. */
  readonly figures?: Readonly<Record<string, number>>;
}
