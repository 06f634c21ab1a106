/** What the pages about the source name exists: who moves or renames a file finds the page that speaks of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { folderOf, rooms } from '../house/rooms.ts';

const top = fileURLToPath(new URL('../../', import.meta.url));
const pages = [
  'docs/architecture.md',
  'CONTRIBUTING.md',
  ...['docs/development', 'docs/decisions'].flatMap((folder) =>
    readdirSync(`${top}${folder}`).map((name) => `${folder}/${name}`),
  ),
];
const outside = ['bench', 'bin', 'contrib', 'docs', 'examples', 'packages', 'src', 'test', '.ci'];
const roomNames = Object.keys(rooms).filter((room) => !room.includes('/'));

/** Everything in backticks that is a path of the repository: it begins with one of its folders or with a room. */
function pathsOf(text: string): string[] {
  const quoted = [...text.matchAll(/`([\w.@/-]+)`/g)].map(([, path]) => path!);
  return quoted.filter((path) => path.includes('/') && [...outside, ...roomNames].includes(path.split('/')[0]!));
}

/** Where a path of the pages lies: rooms are named without the folder that they are in. */
function placeOf(path: string): string {
  const [first, ...rest] = path.split('/');
  return roomNames.includes(first!) ? [folderOf(first!), ...rest].join('/') : path;
}

const missing = (text: string): string[] => pathsOf(text).filter((path) => !existsSync(`${top}${placeOf(path)}`));

test('the check finds what is not there', () => {
  expect(
    missing('`store/paths.ts`, `zookeeper/client/client.ts`, `test/house/`, `Mirror.catchUp`, `rooms.cjs`'),
  ).toEqual([]);
  expect(missing('`store/path.ts` and `src/nowhere/`')).toEqual(['store/path.ts', 'src/nowhere/']);
  expect(missing('`/nodepool/health/<host>-<id>` and `@nodepool/zookeeper`')).toEqual([]);
});

test.each(pages)('%s names only what is there', (page) => {
  expect(missing(readFileSync(`${top}${page}`, 'utf8'))).toEqual([]);
});

test('the architecture names files enough', () => {
  expect(pathsOf(readFileSync(`${top}docs/architecture.md`, 'utf8')).length).toBeGreaterThan(60);
});
