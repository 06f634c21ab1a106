/**
 * The span that a consumer has begun for its request (`requestor_data.span_info`, as Zuul writes it). Its ids are integers of
 * up to 128 bits, hence read from the source text.
 */
import { JsonDocument } from './json-document.ts';
import type { RequestRecord } from './request.ts';

export interface SpanInfo {
  /** 32 and 16 lower-case hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** Of W3C trace context: bit 0 is "sampled". */
  readonly flags: number;
}

/** null when there is none, or none that can be continued. */
export function spanInfoOf({ document }: RequestRecord): SpanInfo | null {
  const info = objectAt(objectAt(document, 'requestor_data'), 'span_info');
  if (!info) return null;
  const traceId = hexId(info.rawText('trace_id'), 32);
  const spanId = hexId(info.rawText('span_id'), 16);
  const flags = Number(info.rawText('trace_flags') ?? 0);
  if (traceId === null || spanId === null || !Number.isInteger(flags)) return null;
  return { traceId, spanId, flags: flags & 0xff };
}

function objectAt(document: JsonDocument | null, key: string): JsonDocument | null {
  const raw = document?.rawText(key);
  return raw?.startsWith('{') ? JsonDocument.parse(raw) : null;
}

function hexId(raw: string | undefined, digits: number): string | null {
  if (raw === undefined || !/^[1-9]\d{0,38}$/.test(raw)) return null;
  const hex = BigInt(raw).toString(16);
  return hex.length > digits ? null : hex.padStart(digits, '0');
}
