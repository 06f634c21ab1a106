/** When a log file is rotated and how it is called then: the rules of Python's rotating handlers. It touches no file. */

export type RotationPolicy =
  | { readonly by: 'size'; readonly maxBytes: number; readonly keep: number }
  | {
      readonly by: 'time';
      readonly when: When;
      readonly interval: number;
      readonly keep: number;
      readonly utc: boolean;
    };

export const whens = ['S', 'M', 'H', 'D', 'MIDNIGHT', 'W0', 'W1', 'W2', 'W3', 'W4', 'W5', 'W6'] as const;
export type When = (typeof whens)[number];

const secondMs = 1000;
const fixedMs: Readonly<Partial<Record<When, number>>> = {
  S: secondMs,
  M: 60 * secondMs,
  H: 3600 * secondMs,
  D: 86_400 * secondMs,
};

type TimePolicy = Extract<RotationPolicy, { by: 'time' }>;

/** When a file that began at `sinceMs` is due. */
export function nextRolloverMs(policy: TimePolicy, sinceMs: number): number {
  const fixed = fixedMs[policy.when];
  if (fixed !== undefined) return sinceMs + fixed * policy.interval;
  // A midnight is found by its date, because a day has 23 or 25 hours now and then.
  let days = policy.when === 'MIDNIGHT' ? policy.interval : daysToWeekday(policy, sinceMs);
  if (days < 1) days = 1;
  return midnightMs(policy.utc, sinceMs, days);
}

/** Python counts weekdays from Monday; the file ends with the day that is named. */
function daysToWeekday({ when, utc, interval }: TimePolicy, sinceMs: number): number {
  const at = new Date(sinceMs);
  const today = ((utc ? at.getUTCDay() : at.getDay()) + 6) % 7;
  return ((Number(when.slice(1)) - today + 7) % 7) + 1 + 7 * (interval - 1);
}

function midnightMs(utc: boolean, sinceMs: number, days: number): number {
  const at = new Date(sinceMs);
  return utc
    ? Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + days)
    : new Date(at.getFullYear(), at.getMonth(), at.getDate() + days).getTime();
}

/** The suffix of a rotated file that began at `beganMs`. */
export function rolledSuffix(policy: TimePolicy, beganMs: number): string {
  const at = new Date(policy.utc ? beganMs : beganMs - new Date(beganMs).getTimezoneOffset() * 60_000).toISOString();
  const [day, time] = [at.slice(0, 10), at.slice(11, 19).replaceAll(':', '-')];
  switch (policy.when) {
    case 'S':
      return `${day}_${time}`;
    case 'M':
      return `${day}_${time.slice(0, 5)}`;
    case 'H':
      return `${day}_${time.slice(0, 2)}`;
    default:
      return day;
  }
}

export const rolledName = /^\d{4}-\d\d-\d\d(?:_\d\d(?:-\d\d){0,2})?$/;
