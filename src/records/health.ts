/**
 * What a launcher says of its own health (`/nodepool/health/…`): a document of this implementation alone, for `doctor`.
 * Written small; whoever reads it trusts nothing.
 */
import { severities, type Trouble } from '../base/trouble.ts';
import { isBroken, parseDocument } from './broken.ts';
import { number, text } from './fields.ts';

/**
 * A trouble as it is stored. It is a type of its own because another process reads it: its time is the wall clock's, where
 * `Trouble` has the monotonic clock of the process that has the trouble.
 */
export interface TroubleRecord extends Pick<Trouble, 'key' | 'severity' | 'what' | 'why' | 'hint'> {
  /** Seconds since the epoch. */
  readonly since: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface HealthRecord {
  readonly hostname: string;
  readonly processId: number;
  readonly version: string;
  /** By the clock of the launcher's machine, in seconds since the epoch. */
  readonly written: number;
  readonly troubles: readonly TroubleRecord[];
  /** Further troubles that the document has no room for. */
  readonly more: number;
}

const mostTroubles = 50;
const mostFigures = 10;
const longestText = 300;
const mostBytes = 200_000;

export function encodeHealth(record: HealthRecord): Buffer {
  const troubles = record.troubles.slice(0, mostTroubles).map((trouble) => ({
    key: cut(trouble.key),
    severity: trouble.severity,
    what: cut(trouble.what),
    why: cut(trouble.why),
    hint: cut(trouble.hint),
    since: trouble.since,
    figures: trouble.figures,
  }));
  return Buffer.from(
    JSON.stringify({
      hostname: record.hostname,
      process_id: record.processId,
      version: record.version,
      written: record.written,
      troubles,
      more: record.more + record.troubles.length - troubles.length,
    }),
  );
}

/** null for a document that can't be read. */
export function parseHealth(data: Uint8Array): HealthRecord | null {
  if (data.length > mostBytes) return null;
  const d = parseDocument('', data);
  if (isBroken(d)) return null;
  const listed = d.get('troubles');
  const troubles = Array.isArray(listed) ? listed.slice(0, mostTroubles).flatMap(parseTrouble) : [];
  return {
    hostname: cut(text(d, 'hostname') ?? ''),
    processId: number(d, 'process_id') ?? 0,
    version: cut(text(d, 'version') ?? ''),
    written: number(d, 'written') ?? 0,
    troubles,
    more: Math.max(0, number(d, 'more') ?? 0),
  };
}

function parseTrouble(raw: unknown): TroubleRecord[] {
  if (typeof raw !== 'object' || raw === null) return [];
  const o = raw as Readonly<Record<string, unknown>>;
  const severity = severities.find((one) => one === o['severity']);
  const word = (key: string) => (typeof o[key] === 'string' ? cut(o[key]) : '');
  if (severity === undefined || word('what') === '') return [];
  const since = typeof o['since'] === 'number' && Number.isFinite(o['since']) ? o['since'] : 0;
  const [key, what, why, hint] = [word('key'), word('what'), word('why'), word('hint')];
  return [{ key, severity, what, why, hint, since, figures: parseFigures(o['figures']) }];
}

function parseFigures(raw: unknown): Record<string, number> {
  if (typeof raw !== 'object' || raw === null) return {};
  const numbers = Object.entries(raw as Readonly<Record<string, unknown>>).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
  return Object.fromEntries(numbers.slice(0, mostFigures).map(([name, value]) => [cut(name), value]));
}

const cut = (long: string): string => (long.length > longestText ? `${long.slice(0, longestText - 1)}…` : long);
