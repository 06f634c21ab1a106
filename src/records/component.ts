/** The records by which launchers, builders and pools announce themselves (`/nodepool/components/<kind>/…`). */
import { isBroken, parseDocument } from './broken.ts';
import { number, text, textList } from './fields.ts';

export type ComponentKind = 'launcher' | 'builder' | 'pool';

export interface ComponentRecord {
  readonly kind: ComponentKind;
  readonly hostname: string;
  readonly state: string;
  readonly version: string;
  readonly modelApi: number;
  /** The remaining ones: pools only. */
  readonly id: string | null;
  readonly name: string | null;
  readonly providerName: string | null;
  readonly supportedLabels: readonly string[];
  readonly priority: number;
  readonly paused: boolean;
}

/** The Python Nodepool ended with 11, this one begins with 12. */
export function isPython({ version }: Pick<ComponentRecord, 'version'>): boolean {
  const major = Number(/^(\d+)\./.exec(version)?.[1] ?? Number.NaN);
  return major < 12;
}

/** null for a document that can't be read: as if it were not there. */
export function parseComponent(kind: ComponentKind, data: Uint8Array): ComponentRecord | null {
  const d = parseDocument('', data);
  if (isBroken(d)) return null;
  return {
    kind,
    hostname: text(d, 'hostname') ?? '',
    state: text(d, 'state') ?? '',
    version: text(d, 'version') ?? '',
    modelApi: number(d, 'model_api') ?? 0,
    id: text(d, 'id'),
    name: text(d, 'name'),
    providerName: text(d, 'provider_name'),
    supportedLabels: textList(d, 'supported_labels'),
    priority: number(d, 'priority') ?? 100,
    paused: d.get('paused') === true,
  };
}

export function encodeComponent(c: ComponentRecord): Buffer {
  const common = { hostname: c.hostname, kind: c.kind, model_api: c.modelApi, state: c.state, version: c.version };
  const pool = {
    id: c.id,
    name: c.name,
    paused: c.paused,
    priority: c.priority,
    provider_name: c.providerName,
    supported_labels: c.supportedLabels,
  };
  const all: Record<string, unknown> = c.kind === 'pool' ? { ...common, ...pool } : common;
  const sorted = Object.keys(all).sort();
  return Buffer.from(`{${sorted.map((key) => `${JSON.stringify(key)}: ${JSON.stringify(all[key])}`).join(', ')}}`);
}
