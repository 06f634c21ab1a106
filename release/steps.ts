/**
 * The steps of a release, up to the tag: nothing leaves the machine. What they write is taken back where a step fails.
 * Commands are run by whoever calls, so that a test can do without the slow ones.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { notesOf, withRelease } from './changelog.ts';
import { isLater, isVersion, versionFiles, versionOf, writeVersion } from './versions.ts';

export interface ReleaseSteps {
  /** A checkout with its dependencies installed. */
  readonly root: string;
  readonly version: string;
  /** `2026-12-01`. */
  readonly date: string;
  /** null: any. */
  readonly branch: string | null;
  /** Types, format, lint, boundaries, dead code, unit tests. */
  readonly checks: boolean;
  /** Returns what the command has printed; throws where it fails. */
  readonly run: (directory: string, command: string, ...args: string[]) => string;
  readonly say: (text: string) => void;
}

const tarballs = 'release/tarballs';
const written = [...versionFiles, 'CHANGELOG.md'];

/** The paths of both tarballs. */
export function release(steps: ReleaseSteps): readonly string[] {
  const { root, version, run, say } = steps;
  say('is everything ready?');
  refuseUnready(steps);
  try {
    say(`version ${version} in both packages, and in the changelog`);
    writeVersion(root, version);
    const changelog = withRelease(readFileSync(`${root}/CHANGELOG.md`, 'utf8'), version, steps.date);
    writeFileSync(`${root}/CHANGELOG.md`, changelog);
    if (steps.checks) check(steps);
    const packed = pack(steps);
    tryOut(steps, packed);
    say(`commit and tag v${version}`);
    run(root, 'git', 'commit', '--quiet', '--message', `Release ${version}`, '--', ...written);
    run(
      root,
      'git',
      'tag',
      '--annotate',
      `v${version}`,
      '--cleanup=verbatim',
      '--message',
      tagMessage(steps, changelog),
    );
    return packed;
  } catch (error) {
    run(root, 'git', 'checkout', '--quiet', 'HEAD', '--', ...written);
    throw error;
  }
}

function refuseUnready({ root, version, branch, run }: ReleaseSteps): void {
  const current = versionOf(root);
  if (!isVersion(version)) throw new Error(`${version} is no version: 12.0.0, or 12.0.0-rc.1`);
  if (!isLater(version, current)) throw new Error(`${version} does not come after ${current}`);
  if (run(root, 'git', 'status', '--porcelain') !== '') throw new Error('there are changes that are not committed');
  const where = run(root, 'git', 'rev-parse', '--abbrev-ref', 'HEAD').trim();
  if (branch !== null && where !== branch) throw new Error(`releases are made on ${branch}, this is ${where}`);
  if (run(root, 'git', 'tag', '--list', `v${version}`) !== '') throw new Error(`there is a tag v${version} already`);
}

function check({ root, run, say }: ReleaseSteps): void {
  say('static checks');
  run(root, 'npm', 'run', '--silent', 'check');
  say('build and unit tests');
  run(root, 'npm', 'test');
}

function pack({ root, run, say }: ReleaseSteps): string[] {
  say('build and pack');
  rmSync(`${root}/${tarballs}`, { recursive: true, force: true });
  mkdirSync(`${root}/${tarballs}`, { recursive: true });
  return ['packages/zookeeper', '.'].map((directory) => {
    const printed = run(join(root, directory), 'npm', 'pack', '--silent', '--pack-destination', join(root, tarballs));
    return join(root, tarballs, printed.trim().split('\n').at(-1)!);
  });
}

/** In an empty project, as a user installs them. */
function tryOut({ version, run, say }: ReleaseSteps, packed: readonly string[]): void {
  say('install the tarballs in an empty project');
  const project = mkdtempSync(join(tmpdir(), 'nodepool-release-'));
  try {
    writeFileSync(join(project, 'package.json'), '{"private": true}\n');
    run(project, 'npm', 'install', '--silent', '--no-audit', '--no-fund', ...packed);
    const said = run(project, join(project, 'node_modules/.bin/nodepool'), '--version').trim();
    if (said !== `Nodepool version: ${version}`) throw new Error(`the installed program says: ${said}`);
    run(project, process.execPath, '--input-type=module', '--eval', "await import('@nodepool/zookeeper/server')");
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

const tagMessage = ({ version }: ReleaseSteps, changelog: string): string =>
  `Nodepool ${version}\n\n${notesOf(changelog, version)}\n`;
