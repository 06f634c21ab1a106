import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { JsonDocument, JsonSyntaxError, RawJson } from './json-document.ts';

const roundTrip = (text: string) => JsonDocument.parse(text).toText();

describe('what is not touched survives to the digit', () => {
  test.each([
    '243758281276797397330304997386949176101',
    '1795219800112188416',
    '-0.10000000000000000000001',
    '1e400',
    '1.0',
    'NaN',
    'Infinity',
    '-Infinity',
    '{"trace": [18446744073709551616, {"x": NaN}], "s": "\\ud800 \\u00e9 }]\\""}',
    '"caf\\u00e9 é 🎈"',
    '[]',
    '{}',
    'null',
    'true',
  ])('%s', (value) => {
    const text = `{"a": ${value}, "b": 1}`;
    expect(roundTrip(text)).toBe(text);
    expect(JsonDocument.parse(text).with({ b: 2 }).rawText('a')).toBe(value);
  });

  test('unknown keys keep their order, changed ones their place', () => {
    const text = JsonDocument.parse(' {"z":1,\n"y" : [ 1, 2 ],"x":"q"} ').with({ y: 'new', w: null }).toText();
    expect(text).toBe('{"z": 1, "y": "new", "x": "q", "w": null}');
  });

  test('undefined leaves a key, raw text and documents are put in as they are', () => {
    const document = JsonDocument.parse('{"a": 1}').with({
      a: undefined,
      b: new RawJson('1e99999'),
      c: JsonDocument.empty,
    });
    expect(document.toText()).toBe('{"a": 1, "b": 1e99999, "c": {}}');
  });

  test('the last of equal keys counts; escapes in keys are understood', () => {
    const document = JsonDocument.parse('{"a": 1, "\\u0061": 2, "__proto__": 3}');
    expect([document.get('a'), document.get('__proto__'), document.has('toString')]).toEqual([2, 3, false]);
  });
});

describe('keys are shared among documents', () => {
  test('that begin alike and go on differently, in any order', () => {
    const texts = [
      '{"a": 1, "b": 2}',
      '{"a": 1, "c": 3}',
      '{"a": 1}',
      '{"a": 1, "b": 2, "c": 3}',
      '{}',
      '{"ab": 1, "a": 2}',
      '{"a\\"": 1, "a\\\\": 2, "a": 3}',
      '{"\u00e9": 1, "": 2, "a": 3}',
    ];
    for (let round = 0; round < 3; round++) {
      for (const text of round === 1 ? [...texts].reverse() : texts) {
        const document = JsonDocument.parse(text);
        const expected = JSON.parse(text) as Record<string, unknown>;
        expect([...document.keys()], text).toEqual(Object.keys(expected));
        for (const [key, value] of Object.entries(expected)) expect(document.get(key), text).toBe(value);
        expect(document.has('z')).toBe(false);
        expect(document.toText()).toBe(text);
      }
    }
  });

  test('not without end: others are read as well when there have been very many', () => {
    for (let n = 0; n < 5000; n++) {
      const text = `{"state": "x", "odd-${n}": {"n": ${n}}, "last": ${n}}`;
      expect(JsonDocument.parse(text).get('last')).toBe(n);
    }
    const document = JsonDocument.parse('{"state": "y", "new": 1, "newer": [2]}');
    expect(document.with({ newest: 3 }).toText()).toBe('{"state": "y", "new": 1, "newer": [2], "newest": 3}');
    expect(document.get('newer')).toEqual([2]);
  });
});

describe('hostile text', () => {
  test.each([
    ['', 0],
    ['[]', 0],
    ['"x"', 0],
    ['{"a": 01}', 7],
    ['{"a": }', 6],
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['{a: 1}', 1],
    ['{"a": 1} x', 9],
    ['{"a": "\u0007"}', 7],
    ['{"a": "\\x"}', 8],
    ['{"a": "\\u12"}', 8],
    ['{"a": "unterminated', 19],
    ['{"a": tru}', 6],
  ])('%j is refused at %i', (text, position) => {
    let caught: unknown;
    try {
      JsonDocument.parse(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(JsonSyntaxError);
    expect(caught).toMatchObject({ code: 'json-syntax', position });
  });

  test('deep nesting is a syntax error, not a full stack', () => {
    for (const open of ['[', '{"a":'])
      expect(() => JsonDocument.parse(`{"a": ${open.repeat(1_000_000)}`)).toThrow(JsonSyntaxError);
    const deep = `{"a": ${'['.repeat(150)}${']'.repeat(150)}}`;
    expect(roundTrip(deep)).toBe(deep);
  });

  test('strings of many megabytes are read, with escapes too', () => {
    for (const piece of ['x', '\\n']) {
      const text = `{"a": "${piece.repeat(12_000_000)}"}`;
      expect(JsonDocument.parse(text).rawText('a')).toHaveLength(text.length - 7);
      expect(() => JsonDocument.parse(text.slice(0, -2))).toThrow(JsonSyntaxError);
    }
  });

  test('agrees with JSON.parse on mutated documents', () => {
    const seedText = '{"state": "ready", "n": [1, -2.5e3, {"k\\n": null}], "t": true, "s": "\\u00e9\\\\", "o": {}}';
    const alphabet = '{}[]",:\\0123456789eE+-.ntrfalsu \n\u0001';
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    let valid = 0;
    for (let round = 0; round < 20_000; round++) {
      let text = seedText;
      for (let change = 0; change <= random(3); change++) {
        const at = random(text.length);
        text =
          text.slice(0, at) + (random(3) ? alphabet.charAt(random(alphabet.length)) : '') + text.slice(at + random(2));
      }
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        expect(() => JsonDocument.parse(text), text).toThrow(JsonSyntaxError);
        continue;
      }
      valid++;
      expect(JSON.parse(JsonDocument.parse(text).toText()), text).toEqual(expected);
    }
    expect(valid).toBeGreaterThan(1000);
  });
});

test('nothing of a large document is kept once it is no longer used', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const usedMb = () => {
    collect();
    return process.memoryUsage().heapUsed / 1e6;
  };
  const beforeMb = usedMb();
  for (let n = 0; n < 200; n++) {
    const own = String.fromCharCode(0x61 + (n % 26), 0x61 + Math.floor(n / 26));
    const longKey = `key-${own}`.repeat(40);
    const text = `{"state": "value-of-document-${own}", "${longKey}": 1, "data": "${'x'.repeat(200_000)}"}`;
    expect(JsonDocument.parse(Buffer.from(text).toString()).with({ state: 'b' }).toText()).toContain(longKey);
  }
  // A part of a string that is kept would keep all of it: 40 MB.
  expect(usedMb() - beforeMb).toBeLessThan(15);
});
