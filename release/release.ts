/**
 * npm run release -- VERSION [--dry-run [--without-checks]]: makes a release up to the tag (docs/releasing.md). A dry run does
 * the same, to the last step, in a clone of what is committed, and throws the clone away.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { release, type ReleaseSteps } from './steps.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (text: string) => console.log(`== ${text}`);
const usage = 'npm run release -- VERSION [--dry-run [--without-checks]]';

function run(directory: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  });
  if (error) throw error;
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.slice(0, 3).join(' ')} failed:\n${stdout.slice(-4000)}${stderr.slice(-4000)}`);
}

function make(options: Pick<ReleaseSteps, 'version' | 'branch' | 'checks' | 'root'>): void {
  const packed = release({ ...options, date: new Date().toISOString().slice(0, 10), run, say });
  for (const path of packed) console.log(`   ${basename(path)}: ${Math.ceil(statSync(path).size / 1024)} KiB`);
  const paths = packed.map((path) => relative(root, path));
  if (options.branch === null) return;
  console.log(`\nPublish it, once you have looked at the commit (docs/releasing.md):

  git push --follow-tags
${paths.map((path) => `  npm publish ${path}`).join('\n')}`);
}

function rehearse(version: string, checks: boolean): void {
  const clone = mkdtempSync(join(tmpdir(), 'nodepool-rehearsal-'));
  try {
    say('clone what is committed, and install');
    run(root, 'git', 'clone', '--quiet', root, clone);
    run(clone, 'npm', 'ci', '--silent', '--no-audit', '--no-fund');
    make({ root: clone, version, branch: null, checks });
    console.log(`\nA rehearsal: all of it was done in a clone, which is gone. Nothing has changed here.`);
  } finally {
    rmSync(clone, { recursive: true, force: true });
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean', default: false }, 'without-checks': { type: 'boolean', default: false } },
});
const [version] = positionals;
if (version === undefined || positionals.length > 1 || (values['without-checks'] && !values['dry-run'])) {
  console.error(usage);
  process.exit(2);
}
try {
  if (values['dry-run']) rehearse(version, !values['without-checks']);
  else make({ root, version, branch: 'main', checks: true });
} catch (error) {
  console.error(`No release: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
