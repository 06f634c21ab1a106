import { describe, expect, test } from 'vitest';
import { ConfigError } from './errors.ts';
import { substitute } from './source-text.ts';
import { unwrap } from './values.ts';
import { parseYaml } from './yaml.ts';

const parse = (text: string, env: Record<string, string> = {}) => parseYaml(substitute(text, env), 'f');
const value = (text: string) => unwrap(parse(text).value);

function refusal(text: string, env: Record<string, string> = {}): string {
  try {
    parse(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('values as PyYAML makes them', () => {
  test.each<[string, unknown]>([
    ['017', 15],
    ['08', '08'],
    ['0x1f', 31],
    ['0b11', 3],
    ['1_000', 1000],
    ['1:30', 90],
    ['1e3', '1e3'],
    ['1.0e+3', 1000],
    ['.5', 0.5],
    ['yes', true],
    ['y', 'y'],
    ['Off', false],
    ['~', null],
    ['!!str 5', '5'],
    ['!!int "5"', 5],
    ['!!float 10', 10],
  ])('%s', (text, expected) => {
    expect(value(`k: ${text}\n`)).toEqual({ k: expected });
  });

  test('a merged mapping yields to its own keys, the first of several to none', () => {
    expect(value('a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n')).toMatchObject({
      c: { x: 3, y: 1, z: 2 },
    });
  });

  test('the last of two equal keys counts, and __proto__ is a key', () => {
    expect(value('a: 1\na: 2\n')).toEqual({ a: 2 });
    expect(Object.keys(value('__proto__: {x: 1}\n') as object)).toEqual(['__proto__']);
  });
});

describe('what is refused, and where', () => {
  test.each<[string, string, string]>([
    ['a tab as indentation', 'a:\n\tb: 1\n', 'f:2:1: YAML: a tab can neither indent nor separate, use blanks'],
    ['a control character', 'a: x\u0001\n', 'f:1:5: YAML: the control character U+0001 is not allowed'],
    ['two documents', 'a: 1\n---\nb: 2\n', 'more than one document'],
    ['a missing anchor', 'a: *b\n', 'f:1:4: YAML: '],
    ['an anchor defined twice', 'a: &x 1\nb: &x 2\n', 'the anchor x is defined twice'],
    ['a list that contains itself', 'a: &x [*x]\n', 'f:1:8: YAML: *x stands for something that contains it'],
    ['a merge of a scalar', 'a: {<<: 5}\n', '<< takes a mapping or a list of mappings'],
    ['a list as key', '? [a]\n: 1\n', 'a list or mapping cannot be a key'],
    ['an unknown tag', 'a: !!python/object:os.system x\n', 'f:1:4: YAML: '],
    ['an open bracket', 'a: [1\n', 'f:'],
  ])('%s', (_what, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  test('aliases that stand for too much', () => {
    const rows = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`);
    expect(refusal(`a0: &a0 [x]\n${rows.join('\n')}\n`)).toContain('the aliases stand for too much');
  });
});

describe('places', () => {
  test('of keys, values, list items, and of the nearest ancestor', () => {
    const source = parse('a:\n  - b: 1\n    c:\n');
    expect(source.locate(['a', 0, 'b'], 'key')).toEqual({ line: 2, column: 5 });
    expect(source.locate(['a', 0, 'b'])).toEqual({ line: 2, column: 8 });
    expect(source.locate(['a', 0, 'c'])).toEqual({ line: 3, column: 5 });
    expect(source.locate(['a', 0, 'd'])).toEqual({ line: 2, column: 5 });
  });

  test('of an alias: where it is used is unknown to its content, which is found where it was written', () => {
    const source = parse('x: &l {n: 1}\ny: *l\n');
    expect(source.locate(['y'])).toEqual({ line: 2, column: 4 });
    expect(source.locate(['y', 'n'])).toEqual({ line: 1, column: 11 });
  });

  test('are those of the file, whatever was substituted', () => {
    const source = parse(
      'a: "%(NODEPOOL_A)"\nb: %(NODEPOOL_NONE)\nc: [%(NODEPOOL_A), x]\n'.replace('b: %(', 'b: x%('),
      {
        NODEPOOL_A: 'long\n\n\n  value',
      },
    );
    expect(source.locate(['b'], 'key')).toEqual({ line: 2, column: 1 });
    expect(source.locate(['c', 1])).toEqual({ line: 3, column: 20 });
  });
});
