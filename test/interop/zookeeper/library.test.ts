/**
 * The library as somebody has it who never heard of Nodepool: packed, installed in an empty project, its page's examples
 * compiled there and run against Apache ZooKeeper and the embedded server.
 */
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { startApache } from '@nodepool/zookeeper/internal/testing/apache';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'library-'));
const page = readFileSync(join(root, 'packages/zookeeper/README.md'), 'utf8');
const examples = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
const mostBytes = 15 * 1024 * 1024;

/** In the project; its output. Rejects with what was said when it fails. */
async function inProject(command: string, argv: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run(command, [...argv], { cwd: project, env: { ...process.env, ...env }, timeout: 100_000 });
  return stdout;
}

function bytesIn(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(directory, entry.name);
    return sum + (entry.isDirectory() ? bytesIn(path) : lstatSync(path).size);
  }, 0);
}

beforeAll(async () => {
  const packed = await run('npm', ['pack', '--silent', '--pack-destination', project, '-w', '@nodepool/zookeeper'], {
    cwd: root,
  });
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  await inProject('npm', ['install', '--no-audit', '--no-fund', `./${packed.stdout.trim()}`]);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test('the client alone is small, and works without the package of the server', async () => {
  expect(existsSync(join(project, 'node_modules/lmdb'))).toBe(false);
  expect(bytesIn(join(project, 'node_modules'))).toBeLessThan(mostBytes);
  const said = await inProject(process.execPath, [
    '--input-type=module',
    '--eval',
    "import { createZooKeeper } from '@nodepool/zookeeper'; console.log(typeof createZooKeeper);",
  ]);
  expect(said.trim()).toBe('function');
});

describe('the examples of the page', () => {
  beforeAll(async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/lmdb/package.json'), 'utf8')) as {
      version: string;
    };
    await inProject('npm', ['install', '--no-audit', '--no-fund', `lmdb@${version}`]);
    examples.forEach((code, index) => writeFileSync(join(project, `example-${index}.ts`), code));
    const compilerOptions = {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      // Of lmdb's own declarations, one does not hold for ES modules.
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: examples.map((_, i) => `example-${i}.ts`) }),
    );
  });

  test('compile against the types that are packed', async () => {
    expect(examples.length).toBeGreaterThanOrEqual(6);
    await inProject(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']).catch(
      (error: unknown) => expect.fail((error as { stdout?: string }).stdout),
    );
    examples.forEach((_, index) => expect(existsSync(join(project, `example-${index}.js`))).toBe(true));
  });

  const servers: Record<string, () => Promise<{ address: string; close(): Promise<void> }>> = {
    'the embedded server': async () => {
      const server = await startCoordinator({ dataDir: join(project, 'data') });
      return { address: `127.0.0.1:${server.address.port}`, close: () => server.close() };
    },
    'Apache ZooKeeper': async () => {
      const apache = await startApache(1);
      const { host, port } = apache.servers[0]!.plain;
      return { address: `${host}:${port}`, close: () => apache.close() };
    },
  };
  test.each(Object.keys(servers))('run against %s', async (name) => {
    const server = await servers[name]!();
    try {
      const said: string[] = [];
      for (const index of examples.keys()) {
        said.push(await inProject(process.execPath, [`example-${index}.js`], { ZOOKEEPER: server.address }));
      }
      for (const words of [
        'data-changed /jobs/job-',
        'bad-version /settings',
        'locked',
        'I lead',
        "'one', '10.0.0.1'",
        'hello',
      ])
        expect(said.join('')).toContain(words);
    } finally {
      await server.close();
    }
  });
});
