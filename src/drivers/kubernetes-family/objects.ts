/** Objects of a cluster, as far as the drivers look at them. Answers of a server are not believed to have any shape. */

export interface KubeObject {
  readonly name: string;
  readonly namespace: string | null;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** It was told to go. */
  readonly terminating: boolean;
  /** Without what other controllers keep in it for themselves. */
  readonly body: Fields;
}

export type Fields = Readonly<Record<string, unknown>>;

const nothing: Fields = {};

export const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : nothing;

export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const texts = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );

export function readObject(value: unknown): KubeObject {
  const { metadata: raw, ...rest } = fields(value);
  const metadata: Record<string, unknown> = { ...fields(raw) };
  delete metadata['managedFields'];
  return {
    name: text(metadata['name']),
    namespace: text(metadata['namespace']) || null,
    uid: text(metadata['uid']),
    resourceVersion: text(metadata['resourceVersion']),
    labels: texts(metadata['labels']),
    annotations: texts(metadata['annotations']),
    terminating: metadata['deletionTimestamp'] !== undefined && metadata['deletionTimestamp'] !== null,
    body: { ...rest, metadata },
  };
}
