import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { driverDefinitions } from '../drivers/catalogue.ts';
import { configJsonSchema } from './json-schema.ts';
import { readSource, substitute } from './yaml/source-text.ts';
import { unwrap } from './yaml/values.ts';
import { parseYaml } from './yaml/yaml.ts';

// `strict` also finds keywords that no draft knows.
const validateFile = new Ajv({
  strict: true,
  strictTypes: false,
  strictRequired: false,
  allErrors: true,
  verbose: true,
}).compile(configJsonSchema(driverDefinitions));

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What Ajv finds in a document, each as `place: message`. */
function findings(value: unknown): string[] {
  validateFile(unwrap(value));
  return (validateFile.errors ?? []).map((e) => `${e.instancePath}: ${e.message ?? ''}`);
}

const inText = (text: string) => findings(parseYaml(substitute(text, {}), 'f').value);
const inFile = (path: string, env = {}) => findings(parseYaml(readSource(path, env), path).value);

describe('Ajv with our JSON Schema', () => {
  test.each(readdirSync(here('../../examples')).filter((name) => name.endsWith('.yaml')))('takes %s', (name) => {
    expect(inFile(here(`../../examples/${name}`))).toEqual([]);
  });

  test('refuses unknown keys, wrong types, missing keys and broken rules, for the driver in question', () => {
    expect(inText('colour: red\n')).toEqual([': must NOT have additional properties']);
    expect(inText('max-hold-age: "5"\n')).toEqual(['/max-hold-age: must be integer']);
    expect(inText('providers: [{name: p, driver: aws, pools: []}]\n')).toContain(
      "/providers/0: must have required property 'region-name'",
    );
    expect(inText('providers: [{name: p, driver: openshift, pools: []}]\n')).toContain(
      "/providers/0: must have required property 'context'",
    );
    expect(inText('providers: [{name: p}]\n')).toContain("/providers/0: must have required property 'cloud'");
    expect(inText('providers: [{name: fake-p, driver: static}]\n')).toContain(
      "/providers/0: must have required property 'cloud'",
    );
    expect(inText('providers: [{name: p, driver: statik}]\n')).toContain(
      '/providers/0/driver: must be equal to one of the allowed values',
    );
    const label = (keys: string) =>
      inText(`providers: [{name: p, cloud: c, pools: [{labels: [{name: a, ${keys}}]}]}]\n`);
    expect(label('min-ram: 1, diskimage: x')).toEqual([]);
    expect(label('min-ram: 1, diskimage: x, cloud-image: y')).toContain(
      '/providers/0/pools/0/labels/0: must match exactly one schema in oneOf',
    );
    expect(label('diskimage: x')).toContain('/providers/0/pools/0/labels/0: must match a schema in anyOf');
  });

  test('judges a label by the shape that it has', () => {
    const label = (keys: string) =>
      inText(
        `providers: [{name: p, driver: kubernetes, pools: [{name: m, labels: [{name: a, type: pod, ${keys}}]}]}]\n`,
      );
    expect(label('image: x, cpu: 1')).toEqual([]);
    expect(label('spec: {}')).toEqual([]);
    expect(label('spec: {}, cpu: 1')).toContain('/providers/0/pools/0/labels/0: must NOT have additional properties');
  });
});

/** Keys that the Python config-validate does not know, see test/interop/config/corpus.test.ts. */
const readByTheLauncher = [
  'aws-090.yaml',
  'aws-172.yaml',
  'gce-027.yaml',
  'gce-044.yaml',
  'global-044.yaml',
  'ibmvpc-110.yaml',
];

const corpus = here('../../test/partners/config-corpus/');

/** Booleans count as numbers for both Nodepools; an editor had better not offer them. Changes the value. */
function countBooleans(value: unknown): boolean {
  validateFile(value);
  const wrong = (validateFile.errors ?? []).filter((e) => e.keyword === 'type' && typeof e.data === 'boolean');
  for (const { instancePath } of wrong) {
    const path = instancePath.slice(1).split('/');
    const last = path.pop()!;
    const parent = path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], value);
    const place = parent as Record<string, unknown>;
    place[last] = Number(place[last]);
  }
  return wrong.length > 0;
}

describe('the corpus', () => {
  interface Case {
    readonly verdict: 'accept' | 'reject';
    readonly reason: string;
  }
  const { meta, cases } = JSON.parse(readFileSync(`${corpus}verdicts.json`, 'utf8')) as {
    meta: { env: Record<string, string> };
    cases: Record<string, Case>;
  };
  const names = (filter: (one: Case) => boolean) =>
    Object.entries(cases).flatMap(([name, one]) => (filter(one) && name !== 'other-006.yaml' ? [name] : []));

  test('every valid file is taken', () => {
    const valid = names((one) => one.verdict === 'accept');
    expect(valid.length).toBeGreaterThan(250);
    const refused = valid.filter((name) => {
      const path = `${corpus}corpus/${name}`;
      const value = unwrap(parseYaml(readSource(path, meta.env), path).value);
      while (countBooleans(value));
      return findings(value).length > 0;
    });
    // Infinite and not a number: JSON has no such numbers, and the daemons refuse them.
    expect(refused).toEqual(['yaml-064.yaml', 'yaml-101.yaml']);
  });

  test('what is refused for unknown and missing keys is refused here too', () => {
    const broken = names((one) => /^schema:(?:unknown-key|required)/.test(one.reason));
    expect(broken.length).toBeGreaterThan(80);
    const taken = broken.filter((name) => inFile(`${corpus}corpus/${name}`, meta.env).length === 0);
    expect(taken).toEqual(readByTheLauncher);
  });
});
