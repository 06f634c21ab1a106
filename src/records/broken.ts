/** A document that can't be used: a value like any other, so that one bad znode stops nothing else. */
import { JsonDocument, JsonSyntaxError } from './json-document.ts';

export interface BrokenRecord {
  readonly broken: true;
  readonly id: string;
  readonly reason: 'empty' | 'syntax' | 'unknown-state';
  readonly message: string;
}

export function isBroken(record: object): record is BrokenRecord {
  return 'broken' in record && record.broken === true;
}

export function parseDocument(id: string, data: Uint8Array): JsonDocument | BrokenRecord {
  if (data.length === 0) return { broken: true, id, reason: 'empty', message: 'it has no data' };
  try {
    return JsonDocument.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'));
  } catch (error) {
    if (error instanceof JsonSyntaxError) return { broken: true, id, reason: 'syntax', message: error.message };
    throw error;
  }
}

/** Anybody may have written anything: logs are not to be filled with it. */
const mostShown = 100;

export function unknownState(id: string, state: unknown): BrokenRecord {
  const shown = (JSON.stringify(state) ?? 'missing').slice(0, mostShown);
  return { broken: true, id, reason: 'unknown-state', message: `unknown state ${shown}` };
}
