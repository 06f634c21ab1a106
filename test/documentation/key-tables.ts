/** Turns a JSON Schema into tables of keys, one for each mapping in it. */

export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly deprecated?: boolean;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly if?: JsonSchema;
  readonly then?: JsonSchema;
  readonly else?: JsonSchema;
}

/** A table for the mapping at `path`, then those of the mappings in it. `depth` is that of the headings. */
export function keyTables(schema: JsonSchema, path: string, depth: number): string[] {
  const { if: condition, then: having, else: lacking } = schema;
  if (condition?.required && having && lacking) {
    const key = condition.required[0]!;
    return [
      heading(depth, path),
      '',
      `A mapping of one of two shapes: with \`${key}\`, or without.`,
      '',
      ...keyTables(lacking, `${path} without \`${key}\``, depth + 1),
      ...keyTables(having, `${path} with \`${key}\``, depth + 1),
    ];
  }
  const properties = Object.entries(schema.properties ?? {});
  const lines = [
    heading(depth, path),
    '',
    ...rulesOf(schema),
    '| key | type | default | meaning |',
    '|---|---|---|---|',
  ];
  for (const [key, value] of properties) {
    const [meaning, fallback] = splitDefault(value);
    const type = typeOf(value, join(path, key));
    const required = schema.required?.includes(key) ? '**required**' : value.deprecated ? '' : fallback;
    lines.push(`| \`${key}\` | ${type} | ${required} | ${cell(meaning)} |`);
  }
  const others = schema.additionalProperties;
  if (typeof others === 'object' && others.type !== undefined) {
    lines.push(`| any other | ${typeOf(others, path)} | | |`);
  }
  lines.push('');
  for (const [key, value] of properties) {
    const inner = mappingIn(value);
    if (inner) lines.push(...keyTables(inner.schema, `${join(path, key)}${inner.suffix}`, depth));
  }
  return lines;
}

const heading = (depth: number, path: string) => `${'#'.repeat(depth)} ${path.includes('`') ? path : `\`${path}\``}`;

const join = (path: string, key: string) => (path === '' ? key : `${path.replace(/ with(?:out)? .*/, '')}.${key}`);

/** The mapping with known keys that a value is, has in a list, or may be. */
function mappingIn(schema: JsonSchema): { schema: JsonSchema; suffix: string } | null {
  if (schema.properties || schema.if) return { schema, suffix: '' };
  if (schema.items) {
    const inner = mappingIn(schema.items);
    return inner && { schema: inner.schema, suffix: `[]${inner.suffix}` };
  }
  return schema.anyOf?.map(mappingIn).find((inner) => inner !== null) ?? null;
}

function rulesOf(schema: JsonSchema): string[] {
  const keys = (all: readonly JsonSchema[]) => all.flatMap(({ required }) => required ?? []).map((key) => `\`${key}\``);
  const sentences = (schema.allOf ?? []).map((rule) => {
    if (rule.oneOf) return `Exactly one of ${keys(rule.oneOf).join(', ')}.`;
    if (rule.anyOf) return `At least one of ${keys(rule.anyOf).join(', ')}.`;
    return `Not both ${keys(rule.not ? [rule.not] : []).join(' and ')}.`;
  });
  return sentences.length === 0 ? [] : [sentences.join(' '), ''];
}

const words: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'integer',
  number: 'number',
  boolean: 'true, false',
  object: 'mapping',
  array: 'list',
  null: 'null',
};

function typeOf(schema: JsonSchema, path: string): string {
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, path)).join(' or ');
  if (schema.items) {
    if (Object.keys(schema.items).length === 0) return 'list';
    return `list of ${typeOf(schema.items, `${path}[]`)
      .replace(/^mapping$/, 'mappings')
      .replace(/^text$/, 'texts')}`;
  }
  if (schema.properties || schema.if) return 'mapping';
  const others = schema.additionalProperties;
  if (schema.type === 'object' && typeof others === 'object' && others.type !== undefined) {
    return `mapping of names to ${others.type === 'string' ? 'texts' : 'integers'}`;
  }
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
  if (types.includes('number') && types.includes('string')) return 'number, also as text';
  return types.map((type) => words[type] ?? type).join(' or ');
}

/** Meaning and default; a default in words stands at the end of the description. */
function splitDefault(schema: JsonSchema): [meaning: string, fallback: string] {
  const description = schema.description ?? '';
  const inWords = /^(.*?) ?Default: (.+)\.$/s.exec(description);
  if (inWords) return [inWords[1]!, cell(inWords[2]!)];
  return [description, defaultOf(schema)];
}

function defaultOf({ default: value, type, description }: JsonSchema): string {
  if (value === undefined) return 'unset';
  if (value === '' || value === null) return 'none';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'empty' : `\`${JSON.stringify(value)}\``;
  const withPoint = type === 'number' && Number.isInteger(value) && /decimal point/.test(description ?? '');
  return `\`${JSON.stringify(value).replaceAll('"', '')}${withPoint ? '.0' : ''}\``;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
