/** The page about the tests names what is there: each file that it names, all helpers, all stages. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(`${root}docs/development/tests.md`, 'utf8');
const named = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);

/** As the page writes them: below `src/` without that, anything else from the top. */
const places = ['src/', '', 'packages/zookeeper/src/'];

/** TypeScript below a folder of the repository, partners and installed packages left out. */
const filesBelow = (folder: string) =>
  readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/(^|\/)(partners|node_modules|dist)\//.test(name))
    .map((name) => `${folder}/${name}`);

test('files that are named exist', () => {
  const files = named.filter((text) => /^[a-z][^ *]*\/[^ *]*\.ts$/.test(text));
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((file) => !places.some((place) => existsSync(root + place + file)))).toEqual([]);
});

test('every helper is listed, or its folder', () => {
  const helpers = ['src', 'packages', 'test']
    .flatMap(filesBelow)
    .filter((name) => /\/(testing|support)\//.test(name) && !name.endsWith('.test.ts'))
    .map((name) => name.replace(/^src\//, ''));
  const listed = (helper: string) => [helper, helper.replace(/[^/]*$/, '')].some((name) => named.includes(name));
  expect(helpers.filter((helper) => !listed(helper))).toEqual([]);
});

test('every stage of .ci/run is listed, in its order', () => {
  const stages = readdirSync(`${root}.ci/stages`).map((name) => name.replace(/^\d+-/, ''));
  const listed = [...page.matchAll(/^\| `([a-z-]+)` \|.*\| [\d,]+ \| \d+ \|$/gm)].map(([, stage]) => stage);
  expect(listed).toEqual(stages);
});
