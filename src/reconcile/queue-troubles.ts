/** How far a work queue is behind, in words: keys that wait for their turn, work that takes long, keys that keep failing. */
import { errorText } from '../base/error-text.ts';
import type { Trouble } from '../base/trouble.ts';

export interface FailingKey {
  readonly error: unknown;
  /** Monotonic milliseconds of the first failure in a row. */
  readonly sinceMs: number;
  readonly count: number;
}

export interface QueueCondition {
  readonly name: string;
  readonly nowMs: number;
  readonly longWorkMs: number | null;
  /** Due keys that are not being worked on. */
  readonly waiting: number;
  readonly oldestDueMs: number | null;
  readonly running: number;
  readonly longestRunning: { readonly key: string; readonly sinceMs: number } | null;
  /** In the order of their first failure. */
  readonly failing: ReadonlyMap<string, FailingKey>;
}

const lagMs = 5000;
const normalLongWorkMs = 120_000;
/** What fails only now and then mends itself. */
const fewestFailures = 3;

export function queueTroubles(c: QueueCondition): Trouble[] {
  const found: Trouble[] = [];
  if (c.oldestDueMs !== null && c.nowMs - c.oldestDueMs > lagMs) {
    found.push({
      key: `queue ${c.name}: lag`,
      severity: 'warning',
      what: `${c.name}: work waits for its turn`,
      why: 'as much as may be done at once is being done, and takes long',
      sinceMs: c.oldestDueMs,
      hint: 'see what else is said of providers and of ZooKeeper',
      figures: { waiting: c.waiting, running: c.running },
    });
  }
  const { longestRunning } = c;
  if (longestRunning && c.nowMs - longestRunning.sinceMs > (c.longWorkMs ?? normalLongWorkMs)) {
    found.push({
      key: `queue ${c.name}: long work`,
      severity: 'warning',
      what: `${c.name}: work on ${keyText(longestRunning.key)} takes long`,
      why: 'an answer of ZooKeeper or of a cloud is missing',
      sinceMs: longestRunning.sinceMs,
      hint: 'nothing else waits for it; see what else is said of providers and of ZooKeeper',
      figures: { running: c.running },
    });
  }
  const repeated = [...c.failing].filter(([, failing]) => failing.count >= fewestFailures);
  const [oldest] = repeated;
  if (oldest) {
    const [key, { error, sinceMs, count }] = oldest;
    found.push({
      key: `queue ${c.name}: failing`,
      severity: 'warning',
      what: `${c.name}: work on ${keyText(key)} keeps failing`,
      why: errorText(error),
      sinceMs,
      hint: 'it is repeated with growing pauses, up to half a minute; the reason says what to mend',
      figures: { failures: count, keysFailing: repeated.length },
    });
  }
  return found;
}

/** Keys of hosts have several lines. */
const keyText = (key: string): string => key.replaceAll(/\s+/g, ' ').trim();
