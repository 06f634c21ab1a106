/**
 * What a document in the tree must look like (promise P10), in the words of the contract and apart from the code that
 * writes them: keys, types, values. Keeps one example of each distinct shape, to be held against the Python peer's classes.
 */

export type DocumentKind = 'node' | 'request' | 'launcher' | 'pool';

type Check = (value: unknown) => boolean;

const isText: Check = (v) => typeof v === 'string';
const isNumber: Check = (v) => typeof v === 'number' && Number.isFinite(v);
const isWhole: Check = (v) => Number.isSafeInteger(v);
const isFlag: Check = (v) => typeof v === 'boolean';
const isTexts: Check = (v) => Array.isArray(v) && v.every(isText);
const isObject: Check = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);
const isAnything: Check = () => true;
const isAmounts: Check = (v) => isObject(v) && Object.values(v as object).every(isNumber);
const isPort: Check = (v) => isObject(v) || (isWhole(v) && (v as number) > 0 && (v as number) < 65_536);
const oneOf =
  (...values: readonly string[]): Check =>
  (v) =>
    values.includes(v as string);
const orNull =
  (check: Check): Check =>
  (v) =>
    v === null || check(v);

const schemas: Readonly<Record<DocumentKind, Readonly<Record<string, Check>>>> = {
  node: {
    state: oneOf(
      'init',
      'building',
      'ready',
      'in-use',
      'testing',
      'used',
      'hold',
      'deleting',
      'failed',
      'aborted',
      'deleted',
    ),
    state_time: isNumber,
    created_time: isNumber,
    cloud: orNull(isText),
    provider: isText,
    pool: isText,
    type: isTexts,
    allocated_to: orNull(isText),
    az: orNull(isText),
    region: orNull(isText),
    public_ipv4: orNull(isText),
    private_ipv4: orNull(isText),
    public_ipv6: orNull(isText),
    host_id: orNull(isText),
    interface_ip: orNull(isText),
    connection_port: isPort,
    ssh_port: isPort,
    image_id: orNull(isText),
    launcher: isText,
    external_id: orNull((v) => isText(v) || isObject(v)),
    hostname: orNull(isText),
    comment: orNull(isText),
    user_data: isAnything,
    hold_job: orNull(isText),
    host_keys: isTexts,
    username: orNull(isText),
    connection_type: orNull(isText),
    shell_type: orNull(isText),
    hold_expiration: orNull(isWhole),
    resources: orNull(isAmounts),
    slot: orNull(isWhole),
    attributes: orNull(isObject),
    python_path: orNull(isText),
    tenant_name: orNull(isText),
    driver_data: isAnything,
    requestor: orNull(isText),
    node_properties: orNull(isObject),
  },
  request: {
    state: oneOf('requested', 'pending', 'fulfilled', 'failed'),
    state_time: isNumber,
    declined_by: isTexts,
    node_types: isTexts,
    nodes: isTexts,
    reuse: isFlag,
    requestor: orNull(isText),
    requestor_data: isAnything,
    provider: orNull(isText),
    relative_priority: isWhole,
    event_id: orNull(isText),
    created_time: isNumber,
    tenant_name: orNull(isText),
  },
  launcher: { hostname: isText, kind: oneOf('launcher'), model_api: isWhole, state: isText, version: isText },
  pool: {
    hostname: isText,
    kind: oneOf('pool'),
    model_api: isWhole,
    state: isText,
    version: isText,
    id: isText,
    name: isText,
    paused: isFlag,
    priority: isWhole,
    provider_name: isText,
    supported_labels: isTexts,
  },
};

/** Ours alone, in a node. */
const optional: Readonly<Record<string, Check>> = {
  nodepool_machine: orNull(
    (v) => isObject(v) && isWhole((v as { attempt?: unknown }).attempt) && 'state' in (v as object),
  ),
};

export type Document = Readonly<Record<string, unknown>>;

/** What is wrong with it, in words; null: nothing. */
export function problemOf(kind: DocumentKind, document: Document): string | null {
  const schema = schemas[kind];
  for (const key in schema) {
    if (!(key in document)) return `${kind} without ${key}`;
    if (!schema[key]!(document[key])) return `${kind} with ${key} = ${JSON.stringify(document[key])}`;
  }
  for (const key in document) {
    if (key in schema) continue;
    const check = kind === 'node' ? optional[key] : undefined;
    if (!check?.(document[key])) return `${kind} with ${key} = ${JSON.stringify(document[key])}`;
  }
  const { state } = document;
  if (kind === 'node') {
    if (state === 'ready' && document['external_id'] === null) return 'ready node without external_id';
    if (state === 'ready' && document['interface_ip'] === null) return 'ready node without interface_ip';
    if (state === 'ready' && (document['type'] as unknown[]).length === 0) return 'ready node without label';
  }
  if (kind === 'request' && state === 'fulfilled') {
    if ((document['nodes'] as unknown[]).length !== (document['node_types'] as unknown[]).length)
      return 'fulfilled request with another number of nodes than it asked for';
  }
  return null;
}

/** One example for each kind, state and combination of types. */
export class Shapes {
  readonly examples = new Map<string, { readonly kind: DocumentKind; readonly document: Document }>();

  add(kind: DocumentKind, document: Document): void {
    let shape = `${kind} ${String(document['state'])}`;
    for (const key in document) shape += `,${key}:${typeOf(document[key])}`;
    if (!this.examples.has(shape)) this.examples.set(shape, { kind, document });
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[${typeOf(value[0])}]`;
  if (typeof value === 'object') return `{${Object.keys(value).sort().join(' ')}}`;
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float';
  return typeof value;
}
