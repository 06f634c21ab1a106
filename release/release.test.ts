/** A release in a small repository: git is real, npm is played. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { notesOf, withRelease } from './changelog.ts';
import { release, type ReleaseSteps } from './steps.ts';
import { isLater, isVersion, versionOf } from './versions.ts';

const changelog = '# Changes\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 1.0.0 (2026-01-01)\n\n- First.\n';
let root: string;
let commands: string[];
let failing: RegExp;

const write = (path: string, content: unknown) =>
  writeFileSync(join(root, path), typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`);
const text = (path: string) => readFileSync(join(root, path), 'utf8');
const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nodepool-release-test-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  commands = [];
  failing = /^$/;
  mkdirSync(join(root, 'packages/zookeeper'), { recursive: true });
  const dependencies = { '@nodepool/zookeeper': '1.0.0', other: '1.0.0' };
  write('package.json', { name: 'nodepool', version: '1.0.0', dependencies });
  write('packages/zookeeper/package.json', { name: '@nodepool/zookeeper', version: '1.0.0' });
  write('package-lock.json', {
    version: '1.0.0',
    packages: {
      '': { version: '1.0.0', dependencies },
      'packages/zookeeper': { version: '1.0.0' },
      'node_modules/other': { version: '1.0.0' },
    },
  });
  write('CHANGELOG.md', changelog);
  write('.gitignore', 'release/\n');
  git('init', '--quiet', '--initial-branch', 'main');
  for (const [key, value] of [
    ['user.name', 'T'],
    ['user.email', 't@example.org'],
    ['commit.gpgsign', 'false'],
    ['tag.gpgsign', 'false'],
  ] as const)
    git('config', key, value);
  git('add', '.');
  git('commit', '--quiet', '--message', 'Begin');
});

const steps = (version: string): ReleaseSteps => ({
  root,
  version,
  date: '2026-12-01',
  branch: 'main',
  checks: true,
  say: () => undefined,
  run: (directory, command, ...args) => {
    const line = [command.replace(/^.*\//, ''), ...args].join(' ');
    if (command !== 'git') commands.push(line);
    if (failing.test(line)) throw new Error('it failed');
    if (command === 'git') return execFileSync(command, args, { cwd: directory, encoding: 'utf8' });
    if (args[0] === 'pack') return directory === root ? 'nodepool.tgz\n' : 'zookeeper.tgz\n';
    return args[0] === '--version' ? `Nodepool version: ${version}\n` : '';
  },
});

test('version, changelog, tarballs, commit and tag', () => {
  expect(release(steps('1.1.0'))).toEqual(
    ['zookeeper', 'nodepool'].map((name) => `${root}/release/tarballs/${name}.tgz`),
  );
  expect(versionOf(root)).toBe('1.1.0');
  expect(JSON.parse(text('package.json'))).toMatchObject({
    dependencies: { '@nodepool/zookeeper': '1.1.0', other: '1.0.0' },
  });
  expect(JSON.parse(text('packages/zookeeper/package.json'))).toMatchObject({ version: '1.1.0' });
  expect(JSON.parse(text('package-lock.json'))).toEqual({
    version: '1.1.0',
    packages: {
      '': { version: '1.1.0', dependencies: { '@nodepool/zookeeper': '1.1.0', other: '1.0.0' } },
      'packages/zookeeper': { version: '1.1.0' },
      'node_modules/other': { version: '1.0.0' },
    },
  });
  expect(text('CHANGELOG.md')).toContain(
    '## Unreleased\n\n## 1.1.0 (2026-12-01)\n\n### Added\n\n- A thing.\n\n## 1.0.0',
  );
  expect(git('status', '--porcelain')).toBe('');
  expect(git('log', '-1', '--format=%s')).toBe('Release 1.1.0\n');
  expect(git('rev-parse', 'v1.1.0^{commit}')).toBe(git('rev-parse', 'HEAD'));
  expect(git('tag', '--list', 'v1.1.0', '--format=%(contents)')).toContain(
    'Nodepool 1.1.0\n\n### Added\n\n- A thing.\n',
  );
  expect(commands.map((line) => line.split(' ').slice(0, 4).join(' '))).toEqual([
    'npm run --silent check',
    'npm test',
    'npm pack --silent --pack-destination',
    'npm pack --silent --pack-destination',
    'npm install --silent --no-audit',
    'nodepool --version',
    expect.stringMatching(/^node --input-type=module --eval/),
  ]);
});

test('nothing is published', () => {
  release(steps('1.1.0'));
  expect(commands.filter((line) => /publish|push/.test(line))).toEqual([]);
});

test.each(['npm run', 'npm test', 'npm pack', 'npm install', 'nodepool --version'])(
  'a failing `%s` leaves no version behind',
  (command) => {
    failing = new RegExp(`^${command}`);
    expect(() => release(steps('1.1.0'))).toThrow('it failed');
    expect(git('status', '--porcelain')).toBe('');
    expect(versionOf(root)).toBe('1.0.0');
    expect(git('tag', '--list')).toBe('');
  },
);

test('what is not ready is refused, with nothing done', () => {
  const refused = (version: string) => {
    const head = git('rev-parse', 'HEAD');
    expect(commands).toEqual([]);
    try {
      release(steps(version));
    } catch (error) {
      expect(git('rev-parse', 'HEAD')).toBe(head);
      return (error as Error).message;
    }
    throw new Error('released');
  };
  expect(refused('1.1')).toMatch('is no version');
  expect(refused('1.0.0')).toMatch('does not come after');
  git('tag', 'v1.1.0');
  expect(refused('1.1.0')).toMatch('a tag');
  git('checkout', '--quiet', '-b', 'side');
  expect(refused('1.2.0')).toMatch('on main');
  git('checkout', '--quiet', 'main');
  write('CHANGELOG.md', changelog.replace('### Added\n\n- A thing.\n', ''));
  expect(refused('1.2.0')).toMatch('not committed');
  git('commit', '--quiet', '--all', '--message', 'Empty');
  expect(refused('1.2.0')).toMatch('says nothing');
  expect(git('status', '--porcelain')).toBe('');
});

test('the order of versions', () => {
  const inOrder = [
    '1.9.0',
    '1.10.0-alpha.1',
    '1.10.0-alpha.10',
    '1.10.0-beta.0',
    '1.10.0-rc.1',
    '1.10.0',
    '1.10.1',
    '2.0.0',
  ];
  for (const [at, one] of inOrder.entries())
    for (const [before, other] of inOrder.entries()) expect(isLater(one, other), `${one} ${other}`).toBe(at > before);
  expect(['1.0', 'v1.0.0', '1.0.0-rc', ''].filter(isVersion)).toEqual([]);
});

test('the changelog of this repository can be released', () => {
  const released = withRelease(
    readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8'),
    '99.0.0',
    '2026-12-01',
  );
  expect(notesOf(released, '99.0.0')).toMatch(/^### Added\n\n- /);
});
