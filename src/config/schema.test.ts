import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { ineffective, remarksOn, unlisted } from './remarks.ts';
import { atLeastOneOf, atMostOneOf, exactlyOneOf, shapedBy } from './rules.ts';
import { bool, choice, closed, dict, float, int, list, mapping, number, numeric, open, str, union } from './schema.ts';
import { substitute } from './yaml/source-text.ts';
import { parseYaml } from './yaml/yaml.ts';

const yaml = (text: string) => parseYaml(substitute(text, {}), 'f').value;

/** The value that comes out, or what is wrong. */
function judge(schema: z.ZodType, text: string): unknown {
  const result = schema.safeParse(yaml(text));
  if (result.success) return result.data;
  return result.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`.replace(/^: /, ''));
}

describe('types', () => {
  test.each<[string, z.ZodType, string, unknown]>([
    ['an integer', int(), '5', 5],
    ['a boolean as one', int(), 'true', 1],
    ['no text', int(), '"5"', ['must be an integer, is the string "5"']],
    ['no float', int(), '5.0', ['must be an integer, is the decimal number 5.0']],
    ['no null', int(), '~', ['must be an integer, is empty (null)']],
    ['a float', float(), '10.0', 10],
    ['no integer for it', float(), '10', ['must be a number with a decimal point, is the number 10: write 10.0']],
    ['either for a number', number(), '2.5', 2.5],
    ['text that Python takes for a number', numeric(), '" 1_0.5e1 "', 105],
    ['infinity as text', numeric(), '"-inf"', Number.NEGATIVE_INFINITY],
    ['other text', numeric(), '"1.5."', ['must be a number, is the string "1.5."']],
    ['a hexadecimal text', numeric(), '"0x10"', ['must be a number, is the string "0x10"']],
    ['no number for a boolean', bool(), '1', ['must be true or false, is the number 1']],
    ['no date for a text', str(), '2024-01-31', ['must be a string, is a date']],
    ['long text is cut', int(), `"${'x'.repeat(50)}"`, [`must be an integer, is the string "${'x'.repeat(40)}…"`]],
    [
      'one of some words',
      choice('raw', 'vmdk'),
      'vmkd',
      ['must be one of raw, vmdk, is the string "vmkd", did you mean \'vmdk\'?'],
    ],
    ['either type', union(str(), list(str()), 'a string or a list'), '[a]', ['a']],
    [
      'or neither',
      union(str(), list(str()), 'a string or a list'),
      '5',
      ['must be a string or a list, is the number 5'],
    ],
    ['any mapping, with plain values', dict(), '{a: 1.5, b: [2024-01-31]}', { a: 1.5, b: ['2024-01-31'] }],
    ['names to integers', mapping(int()), '{a: 1, b: yes}', { a: 1, b: 1 }],
    ['with the place of what is wrong', mapping(int()), '{a: x}', ['a: must be an integer, is the string "x"']],
    ['known keys and others', open({ a: str() }, int()), '{a: x, b: 2}', { a: 'x', b: 2 }],
  ])('%s', (_what, schema, text, expected) => {
    expect(judge(schema, text)).toEqual(expected);
  });

  test('keys that are no strings', () => {
    const message = 'must have only strings as keys: put numbers and words such as yes in quotes';
    expect(judge(mapping(int()), '{5: 1}')).toEqual([message]);
    expect(judge(open({ a: str().optional() }, int()), '{yes: 1}')).toEqual([message]);
  });

  test('unknown keys come with the nearest one, or with all where they are few', () => {
    const messages = judge(
      closed({ 'min-ready': int().optional(), name: str().optional() }),
      '{min_ready: 1, colour: x}',
    );
    expect((messages as string[])[0]!.split('\u0000')).toEqual([
      "unknown key 'min_ready', did you mean 'min-ready'?",
      "unknown key 'colour', valid are min-ready, name",
    ]);
  });
});

describe('rules over several keys', () => {
  const keys = { a: int().optional(), b: int().optional(), c: int().optional() };

  test.each<[string, z.ZodType, string, unknown]>([
    ['exactly one of two: none', exactlyOneOf(closed(keys), 'a', 'b'), '{}', ['needs either a or b']],
    ['exactly one of three: none', exactlyOneOf(closed(keys), 'a', 'b', 'c'), '{}', ['needs one of a, b or c']],
    ['exactly one: two', exactlyOneOf(closed(keys), 'a', 'b', 'c'), '{a: 1, c: 1}', ['takes only one of a and c']],
    ['exactly one: one', exactlyOneOf(closed(keys), 'a', 'b'), '{a: 1}', { a: 1 }],
    ['at most one: two', atMostOneOf(closed(keys), 'a', 'b'), '{a: 1, b: 1}', ['takes only one of a and b']],
    ['at most one: none', atMostOneOf(closed(keys), 'a', 'b'), '{}', {}],
    ['at least one: none', atLeastOneOf(closed(keys), 'a', 'b'), '{c: 1}', ['needs a or b, or both']],
    [
      'with other faults too',
      exactlyOneOf(closed(keys), 'a', 'b'),
      '{c: x}',
      ['c: must be an integer, is the string "x"', 'needs either a or b'],
    ],
    ['two rules', atLeastOneOf(exactlyOneOf(closed(keys), 'a', 'b'), 'b', 'c'), '{a: 1}', ['needs b or c, or both']],
    ['not of something else', exactlyOneOf(closed(keys), 'a', 'b'), '[a]', ['must be a mapping, is a list']],
  ])('%s', (_what, schema, text, expected) => {
    expect(judge(schema, text)).toEqual(expected);
  });

  test('one of two shapes', () => {
    const shape = shapedBy(
      'spec',
      closed({ name: str(), spec: dict() }),
      closed({ name: str(), cpu: int().default(1) }),
    );
    expect(judge(shape, '{name: a}')).toEqual({ name: 'a', cpu: 1 });
    expect(judge(shape, '{name: a, spec: {x: 1}}')).toEqual({ name: 'a', spec: { x: 1 } });
    expect(judge(shape, '{name: a, spec: {}, cpu: 1}')).toEqual(['cpu'].map(() => 'does not go together with spec'));
    expect(judge(shape, '{cpu: x}')).toEqual(['name: is required', 'cpu: must be an integer, is the string "x"']);
    expect(judge(shape, '5')).toEqual(['must be a mapping, is the number 5']);
  });
});

test('remarks on what is accepted', () => {
  const schema = closed({
    old: ineffective(int().optional(), 'of older versions'),
    read: unlisted(str().optional(), 'Something.'),
    list: list(closed({ n: int() })).default([]),
    free: mapping(int()).default({}),
  });
  const remarks = (text: string) => [...remarksOn(schema, yaml(text))].map((r) => `${r.path.join('.')}: ${r.text}`);
  expect(remarks('{old: 1, read: x, list: [{n: 1}, {n: true}], free: {k: no}}')).toEqual([
    'old: has no effect: of older versions',
    'read: is read here and by the Python launcher, but the Python config-validate refuses it',
    'list.1.n: true counts as 1',
    'free.k: false counts as 0',
  ]);
  expect(remarks('{list: [{n: 1}]}')).toEqual([]);
});
