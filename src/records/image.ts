/** Disk image builds and their uploads, as far as launchers and listings read them. */
import { isBroken, parseDocument } from './broken.ts';
import { number, text } from './fields.ts';

export interface ImageUpload {
  readonly state: string;
  readonly stateTime: number;
  readonly externalId: string | null;
  readonly externalName: string | null;
  readonly username: string | null;
  readonly pythonPath: string | null;
  readonly shellType: string | null;
}

/** null for a document that can't be read. */
export function parseUpload(data: Uint8Array): ImageUpload | null {
  const d = parseDocument('', data);
  if (isBroken(d)) return null;
  return {
    state: text(d, 'state') ?? '',
    stateTime: number(d, 'state_time') ?? 0,
    externalId: text(d, 'external_id'),
    externalName: text(d, 'external_name'),
    username: text(d, 'username', 'zuul'),
    pythonPath: text(d, 'python_path', '/usr/bin/python2'),
    shellType: text(d, 'shell_type'),
  };
}
