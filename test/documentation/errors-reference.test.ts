import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { errorsReference, sections } from './errors-reference.ts';

const top = fileURLToPath(new URL('../../', import.meta.url));
const catalogues = ['src/base/error-codes.ts', 'packages/zookeeper/src/protocol/error-catalogue.ts'];
const product = ['src', 'packages/zookeeper/src'].flatMap((folder) =>
  readdirSync(`${top}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.includes('testing/'))
    .map((name) => `${folder}/${name}`),
);
const textOf = (path: string): string => readFileSync(`${top}${path}`, 'utf8');

/** Codes that a class states by itself, with no type to hold them. */
const unchecked = (text: string): string[] =>
  [...text.matchAll(/readonly code(?:: string)? = '([\w-]+)'(?! satisfies )/g)].map(([, code]) => code!);

test('the page is that of the catalogues: otherwise `npm run docs:reference`', () => {
  expect(textOf('docs/reference/errors.md')).toBe(errorsReference());
});

test('a code means one thing', () => {
  const codes = sections.flatMap(({ errors }) => Object.keys(errors));
  expect(codes.length).toBeGreaterThan(40);
  expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
});

test('every entry fits into its row', () => {
  for (const { errors } of sections)
    for (const [code, { meaning, remedy }] of Object.entries(errors)) {
      for (const text of [meaning, remedy]) expect(text, code).toMatch(/^[A-Z`][^|\n]+\.$/);
    }
});

test('every class takes its code from a catalogue', () => {
  expect(unchecked("  readonly code = 'odd';")).toEqual(['odd']);
  expect(unchecked("  readonly code = 'odd' satisfies OwnErrorCode;")).toEqual([]);
  expect(product.length).toBeGreaterThan(300);
  expect(product.flatMap((path) => unchecked(textOf(path)).map((code) => `${path}: ${code}`))).toEqual([]);
});

test('every code of the catalogues is in use', () => {
  const source = product
    .filter((path) => !catalogues.includes(path))
    .map(textOf)
    .join('\n');
  const codes = sections.flatMap(({ errors }) => Object.keys(errors));
  expect(codes.filter((code) => !source.includes(`'${code}'`))).toEqual([]);
});
