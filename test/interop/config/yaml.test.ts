/** Reads some 1,800 documents beside PyYAML, which the Python Nodepool reads its configuration with. */
import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/yaml/errors.ts';
import { substitute } from '../../../src/config/yaml/source-text.ts';
import { hasOnlyStringKeys, isMapping } from '../../../src/config/yaml/values.ts';
import { parseYaml } from '../../../src/config/yaml/yaml.ts';
import { YamlFloat } from '../../../src/config/yaml/yaml-dialect.ts';

const python = process.env['NODEPOOL_TEST_PYTHON'] ?? join(homedir(), '.cache/nodepool-ci/peer/bin/python');
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What is read otherwise, and why. All but the last three are refused here and accepted there. */
const differences: Readonly<Record<string, string>> = {
  'k: !!set {a, b}\n': 'no key of a configuration takes a set',
  'k: !!omap [a: 1]\n': 'no key takes an ordered mapping',
  'k: !!pairs [a: 1]\n': 'no key takes a list of pairs',
  'a: "x"#y\n': 'a comment needs a blank before it, as YAML says',
  'a: [x]#y\n': 'a comment needs a blank before it, as YAML says',
  'k: [\na\n]\n': 'the content of brackets must be indented more than the key, as YAML says',
  'k: {\na: 1\n}\n': 'the content of brackets must be indented more than the key, as YAML says',
  'k: [::1]\n': 'two colons are a word here, and refused there: put addresses in quotes',
  'k: {1: 2, "1": 3}\n': 'the number 1 and the string "1" are the same key here',
  '...\n': 'an empty file here, refused there; config-validate refuses both',
};

/** In a configuration with accidents: `&name:` is an anchor and a colon for PyYAML, and the name of an anchor in YAML. */
const anchorWithColon = /(?:^|\s)&[\w-]+:(?=\s|$)/m;

/** As yaml_documents.py writes it. */
function plain(value: unknown): unknown {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean') return { bool: value };
  if (typeof value === 'number') return { int: value };
  if (value instanceof YamlFloat) return { float: Number.isNaN(value.value) ? 'nan' : value.value };
  if (Array.isArray(value)) return value.map(plain);
  if (!isMapping(value)) return { other: true };
  const others = !hasOnlyStringKeys(value);
  // Which keys are no strings is not told: they are left out on both sides where there are any.
  return { map: Object.entries(value).map(([key, item]) => [key, plain(item)]), others };
}

interface Theirs {
  readonly text: string;
  readonly value?: unknown;
  readonly error?: string;
}

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (!isMapping(value)) return value;
  if ('float' in value) return { float: value['float'] === 'nan' ? 'nan' : Number(value['float']) };
  if ('map' in value) {
    const entries = (value['map'] as [string, unknown][]).map(([key, item]) => [key, normal(item)] as const);
    return value['others'] ? { others: true } : { map: entries.sort(([a], [b]) => (a < b ? -1 : 1)) };
  }
  return value;
}

function read(text: string): { value: unknown } | { refused: string } {
  try {
    return { value: normal(plain(parseYaml(substitute(text.replace(/^\uFEFF/, ''), {}), 'f').value)) };
  } catch (error) {
    if (error instanceof ConfigError) return { refused: error.message };
    throw error;
  }
}

const same = (theirs: Theirs, ours: ReturnType<typeof read>): boolean =>
  theirs.error === undefined
    ? 'value' in ours && JSON.stringify(normal(theirs.value)) === JSON.stringify(ours.value)
    : 'refused' in ours;

test('the same values and the same refusals as PyYAML, but for those that are named', () => {
  const output = execFileSync(python, [here('yaml_documents.py'), here('../../../examples/nodepool.yaml')], {
    maxBuffer: 64 * 1024 * 1024,
    encoding: 'utf8',
  });
  const documents = JSON.parse(output) as Theirs[];
  expect(documents.length).toBeGreaterThan(1800);
  const different = documents.flatMap((theirs) => {
    const ours = read(theirs.text);
    return same(theirs, ours) ? [] : [{ text: theirs.text, theirs: theirs.error ?? 'accepted', ours }];
  });
  const unexpected = different.filter(
    ({ text, theirs, ours }) =>
      !(text in differences) && !(theirs === 'accepted' && 'refused' in ours && anchorWithColon.test(text)),
  );
  expect(unexpected).toEqual([]);
  expect(new Set(different.map(({ text }) => text).filter((text) => text.length < 40))).toEqual(
    new Set(Object.keys(differences)),
  );
});
