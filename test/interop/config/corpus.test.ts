/** Judges the configuration corpus and compares with the verdicts of the Python Nodepool. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { driverDefinitions as drivers } from '../../../src/drivers/catalogue.ts';
import { ConfigError } from '../../../src/config/yaml/errors.ts';
import { loadConfig, validate } from '../../../src/config/load.ts';

const corpus = fileURLToPath(new URL('../../partners/config-corpus/', import.meta.url));

type Verdict = 'accept' | 'reject';

interface Case {
  readonly driver: string;
  readonly verdict: Verdict;
  /** What the daemons do with the file. */
  readonly load: string;
}

/** Where config-validate judges otherwise: file and reason. */
const differences: Readonly<Record<string, string>> = {
  'aws-090.yaml': 'public-ipv6 of a provider is read by the Python launcher, so it is taken, with a warning',
  'aws-172.yaml': 'the same for public-ipv4',
  'gce-027.yaml': 'the same for host-key-checking of a gce pool',
  'gce-044.yaml': 'the same for rate of a gce provider',
  'global-044.yaml': 'the same for shell-type of a diskimage',
  'ibmvpc-110.yaml': 'the same for image-format of an ibmvpc provider',
  'other-006.yaml': 'the driver test is an aid of the Python developers',
};

/** Where our daemons treat a file that is valid for both otherwise than the Python ones. */
const loadDifferences: Readonly<Record<string, string>> = {
  'global-007.yaml': 'TLS without cert is refused at once, there when the connection is made',
  'global-035.yaml': 'TLS without ca: the same',
  'yaml-064.yaml': 'a session timeout of minus infinity',
  'yaml-101.yaml': 'a session timeout that is no number',
  'fake-077.yaml': 'clouds.yaml is not looked at: a region that it lacks',
  'fake-098.yaml': 'the same: a cloud that it lacks',
  'openstack-045.yaml': 'clouds.yaml is looked at when the provider starts, which fails alone',
  'openstack-055.yaml': 'the same',
};

interface Fixtures {
  readonly meta: { readonly env: Record<string, string>; readonly placeholders: Record<string, string> };
  readonly fixtures: Readonly<Record<string, { filled: boolean; verdict: Verdict; load: string }>>;
}

const python = process.env['NODEPOOL_TEST_PYTHON'] ?? join(homedir(), '.cache/nodepool-ci/peer/bin/python');

const fixtureDifferences: readonly string[] = [
  // Both use the driver test, an aid of the Python developers.
  'external_driver.yaml: config-validate says reject',
  'multi_drivers.yaml: config-validate says reject',
  // A cloud that clouds.yaml lacks: found when the provider starts.
  'integration_occ.yaml: the daemons accept it',
];

function outcome(judge: () => unknown): Verdict {
  try {
    judge();
    return 'accept';
  } catch (error) {
    if (error instanceof ConfigError) return 'reject';
    throw error;
  }
}

describe('the corpus', () => {
  const { meta, cases } = JSON.parse(readFileSync(`${corpus}verdicts.json`, 'utf8')) as {
    readonly meta: { readonly env: Record<string, string> };
    readonly cases: Readonly<Record<string, Case>>;
  };
  const file = (name: string) => ({ path: `${corpus}corpus/${name}`, env: meta.env, drivers });
  const different = (entries: [string, Case][], theirs: (one: Case) => string, ours: (name: string) => Verdict) =>
    entries.filter(([name, one]) => ours(name) !== theirs(one)).map(([name, one]) => `${name}: theirs ${theirs(one)}`);
  const names = (lines: readonly string[]) => lines.map((line) => line.split(':')[0]).sort();

  test('config-validate: the verdicts of the Python one, but for those that are named', () => {
    const all = Object.entries(cases);
    expect(all.length).toBe(661);
    const lines = different(
      all,
      (one) => one.verdict,
      (name) => outcome(() => validate(file(name))),
    );
    expect(names(lines), lines.join('\n')).toEqual(Object.keys(differences).sort());
  });

  test('the daemons refuse what the Python ones refuse, of the files that both find valid', () => {
    const both = Object.entries(cases).filter(([name, one]) => one.verdict === 'accept' && !(name in differences));
    const lines = different(
      both,
      (one) => (one.load === 'ok' ? 'accept' : 'reject'),
      (name) => outcome(() => loadConfig(file(name))),
    );
    expect(names(lines), lines.join('\n')).toEqual(Object.keys(loadDifferences).sort());
  });

  test('what the daemons refuse is told by config-validate too', () => {
    const silent = Object.entries(cases)
      .filter(([name, one]) => one.verdict === 'accept' && !(name in differences))
      .filter(([name]) => outcome(() => loadConfig(file(name))) === 'reject')
      .filter(([name]) => validate(file(name)).refusals.length === 0);
    expect(silent).toEqual([]);
  });
});

/** The fixtures of the Python Nodepool's own tests, which its package carries; their placeholders are filled as those tests do. */
describe("the Python Nodepool's own fixtures", () => {
  const scratch = mkdtempSync(join(tmpdir(), 'nodepool-fixtures-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  test('the same verdicts of config-validate, and of the daemons for what is valid', () => {
    const { meta, fixtures } = JSON.parse(readFileSync(`${corpus}upstream-fixtures.json`, 'utf8')) as Fixtures;
    const script = 'import nodepool, os; print(os.path.dirname(nodepool.__file__))';
    const root = join(execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim(), 'tests', 'fixtures');
    const different = Object.entries(fixtures).flatMap(([name, one]) => {
      const path = join(scratch, 'nodepool.yaml');
      writeFileSync(path, filled(readFileSync(join(root, name), 'utf8'), one.filled ? meta.placeholders : null));
      const o = { path, env: meta.env, drivers };
      const judged = outcome(() => validate(o));
      if (judged !== one.verdict) return [`${name}: config-validate says ${judged}`];
      if (judged === 'reject') return [];
      const loaded = outcome(() => loadConfig(o));
      return loaded === (one.load === 'ok' ? 'accept' : 'reject') ? [] : [`${name}: the daemons ${loaded} it`];
    });
    expect(Object.keys(fixtures).length).toBe(185);
    expect(different.sort()).toEqual([...fixtureDifferences].sort());
  });
});

function filled(text: string, placeholders: Record<string, string> | null): string {
  if (!placeholders) return text;
  return text.replace(/\{\{|\}\}|\{(\w+)\}/g, (whole, name?: string) =>
    name === undefined ? whole[0]! : (placeholders[name] ?? whole),
  );
}
