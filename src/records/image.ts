/** Disk image builds and their uploads. What identifies them is in their paths, not in the documents. */
import { isBroken, parseDocument } from './broken.ts';
import { number, seconds, text } from './fields.ts';
import type { JsonDocument } from './json-document.ts';

interface ImageRecord {
  readonly state: string;
  /** Seconds since the epoch. */
  readonly stateTime: number;
  readonly username: string | null;
  readonly pythonPath: string | null;
  readonly shellType: string | null;
  readonly document: JsonDocument;
}

export interface ImageUpload extends ImageRecord {
  readonly externalId: string | null;
  readonly externalName: string | null;
}

export interface ImageBuild extends ImageRecord {
  /** Host name. */
  readonly builder: string | null;
  /** Sorted. */
  readonly formats: readonly string[];
}

/** null for a document that can't be read. */
export function parseUpload(data: Uint8Array): ImageUpload | null {
  const d = parseDocument('', data);
  if (isBroken(d)) return null;
  return { ...common(d), externalId: text(d, 'external_id'), externalName: text(d, 'external_name') };
}

/** null for a document that can't be read. */
export function parseBuild(data: Uint8Array): ImageBuild | null {
  const d = parseDocument('', data);
  if (isBroken(d)) return null;
  const formats = (text(d, 'formats') ?? '').split(',').filter((format) => format !== '');
  return { ...common(d), builder: text(d, 'builder'), formats: formats.sort() };
}

function common(d: JsonDocument): ImageRecord {
  return {
    state: text(d, 'state') ?? '',
    stateTime: number(d, 'state_time') ?? 0,
    username: text(d, 'username', 'zuul'),
    pythonPath: text(d, 'python_path', '/usr/bin/python2'),
    shellType: text(d, 'shell_type'),
    document: d,
  };
}

/** The document with another state; everything else stays, to the digit. */
export function encodeImageState(image: ImageBuild | ImageUpload, state: 'deleting', nowMs: number): Buffer {
  return Buffer.from(image.document.with({ state, state_time: seconds(nowMs) }).toText());
}
