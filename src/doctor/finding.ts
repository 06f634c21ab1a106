/** A finding of `doctor`: what is wrong, since when, why, and what to do. It does not know the rules that make findings. */
import type { Severity } from '../base/trouble.ts';

export interface Finding {
  readonly severity: Severity;
  /** The rule that made the finding: a stable word for programs. */
  readonly check: string;
  /** The thing that the finding is about. */
  readonly subject: string;
  readonly problem: string;
  readonly reasons: readonly string[];
  /** Milliseconds since the epoch; null: not known. */
  readonly sinceMs: number | null;
  readonly hint: string;
}

export const severities: readonly Severity[] = ['critical', 'warning', 'info'];

/** Sorts the worst findings first, and among them those that last longest. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const rank = (f: Finding) => severities.indexOf(f.severity);
  const since = (f: Finding) => f.sinceMs ?? Number.POSITIVE_INFINITY;
  return [...findings].sort(
    (a, b) => rank(a) - rank(b) || since(a) - since(b) || (a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : 0),
  );
}

/** Whether something is stuck: findings of severity `info` are only worth knowing. */
export const isStuck = (findings: readonly Finding[]): boolean => findings.some(({ severity }) => severity !== 'info');

const mostNamed = 5;

export function listed(ids: readonly string[]): string {
  const named = ids.slice(0, mostNamed).join(', ');
  return ids.length > mostNamed ? `${named} and ${ids.length - mostNamed} more` : named;
}

/** Items by what they have in common, in the order of their first appearance. */
export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}

/** So many findings of one kind are shown: nobody reads thousands. */
export const mostAlike = 50;

export function limited(findings: readonly Finding[], what: string): Finding[] {
  if (findings.length <= mostAlike) return [...findings];
  return [...findings.slice(0, mostAlike), leftOut(findings.length - mostAlike, what)];
}

export function leftOut(count: number, what: string): Finding {
  return {
    severity: 'info',
    check: 'left-out',
    subject: what,
    problem: `${count} more findings like these are left out`,
    reasons: [],
    sinceMs: null,
    hint: 'mend the ones above first',
  };
}
