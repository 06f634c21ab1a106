import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { driverDefinitions } from '../../src/drivers/catalogue.ts';
import { globalSchema } from '../../src/config/global-schema.ts';
import { toJsonSchema } from '../../src/config/schema.ts';
import { configurationReference } from './configuration-reference.ts';
import type { JsonSchema } from './key-tables.ts';

const directory = fileURLToPath(new URL('../../docs/reference/configuration/', import.meta.url));
const pages = configurationReference();

test('the pages are those of the declarations: otherwise `npm run docs:reference`', () => {
  expect(readdirSync(directory).sort()).toEqual([...pages.keys()].sort());
  for (const [name, text] of pages) expect(readFileSync(`${directory}${name}`, 'utf8'), name).toBe(text);
});

test('links lead to pages', () => {
  for (const [name, text] of pages) {
    for (const [, target] of text.matchAll(/\]\(([^)#]+)/g))
      expect(pages.has(target!), `${name}: ${target!}`).toBe(true);
  }
});

/** Where a key is: `a.b[].c`. */
function* keys(schema: JsonSchema, path = ''): Generator<[path: string, schema: JsonSchema]> {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    yield [`${path}${key}`, value];
    yield* keys(value, `${path}${key}.`);
  }
  for (const inner of [schema.items, schema.then, schema.else, ...(schema.anyOf ?? [])]) {
    if (inner) yield* keys(inner, path);
  }
}

test('each key has a type and says what it means', () => {
  const schemas: [string, JsonSchema][] = [
    ['', toJsonSchema(globalSchema)],
    ...[...driverDefinitions.values()].map(({ name, schema }): [string, JsonSchema] => [
      `${name}: `,
      toJsonSchema(schema) as JsonSchema,
    ]),
  ];
  const all = schemas.flatMap(([where, schema]) => [...keys(schema, where)]);
  expect(all.length).toBeGreaterThan(600);
  const silent = all.filter(([, { description }]) => !description || !/[.`)]$/.test(description)).map(([path]) => path);
  expect(silent).toEqual([]);
  const untyped = all.filter(([, s]) => !s.type && !s.anyOf && !s.enum && !s.if).map(([path]) => path);
  expect(untyped).toEqual([]);
});
