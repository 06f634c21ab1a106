import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../runtime/runtime.ts';
import { createZooKeeper } from '../../client/client.ts';
import { startCoordinator } from '../coordinator.ts';
import { prepareDataDirectory } from './data-directory.ts';

function place(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-data-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'data');
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

it.each([0o000, 0o027, 0o777])('is for its owner alone, and each file in it, with umask %o', async (umask) => {
  const dataDir = place();
  const before = process.umask(umask);
  onTestFinished(() => void process.umask(before));
  const running = await startCoordinator({ dataDir, runtime: systemRuntime });
  const client = createZooKeeper({ servers: [], connector: running.connector });
  await client.create('/x', Buffer.from('secret'), { mode: 'persistent' });
  process.umask(before);
  expect(mode(dataDir)).toBe('700');
  const files = readdirSync(dataDir).filter((name) => !name.endsWith('.sock'));
  expect(files.length).toBeGreaterThan(3);
  for (const name of files) expect(mode(join(dataDir, name)), name).toBe('600');
  await client.close();
  await running.close();
});

it('closes what has come back from a copy open to others', () => {
  const dataDir = place();
  mkdirSync(dataDir, { mode: 0o755 });
  for (const name of ['data.mdb', 'data.mdb-journal-1', 'of-somebody-else']) writeFileSync(join(dataDir, name), '');
  for (const name of ['data.mdb', 'data.mdb-journal-1', 'of-somebody-else']) chmodSync(join(dataDir, name), 0o644);
  prepareDataDirectory(dataDir);
  expect(['.', 'data.mdb', 'data.mdb-journal-1', 'of-somebody-else'].map((name) => mode(join(dataDir, name)))).toEqual([
    '700',
    '600',
    '600',
    '644',
  ]);
});

it("leaves alone what merely has a name like ours', and bears files that go away", () => {
  const dataDir = place();
  prepareDataDirectory(dataDir);
  const foreign = ['data.mdb.bak', 'data.mdb-journal-', 'data.mdb-journal-1.gz', 'data.mdb~', 'old-data.mdb'];
  for (const name of foreign) {
    writeFileSync(join(dataDir, name), '');
    chmodSync(join(dataDir, name), 0o644);
  }
  // There when the names were read, and gone afterwards.
  symlinkSync('nothing', join(dataDir, 'data.mdb-journal-7'));
  prepareDataDirectory(dataDir);
  expect(foreign.map((name) => mode(join(dataDir, name)))).toEqual(foreign.map(() => '644'));
  // They do not make a directory ours that others may write to.
  rmSync(join(dataDir, 'data.mdb-journal-7'));
  chmodSync(dataDir, 0o777);
  expect(() => prepareDataDirectory(dataDir)).toThrow('others may write into the data directory');
});

it('is refused where it belongs to another user', () => {
  const dataDir = place();
  prepareDataDirectory(dataDir);
  const ours = process.getuid!();
  expect(() => prepareDataDirectory(dataDir, ours + 1)).toThrow(
    `${dataDir} belongs to user ${ours}, and this process is user ${ours + 1}; run it as user ${ours}`,
  );
});

it('is refused where others may write, and something else is in it', () => {
  const dataDir = place();
  mkdirSync(dataDir);
  chmodSync(dataDir, 0o777);
  writeFileSync(join(dataDir, 'x'), '');
  expect(() => prepareDataDirectory(dataDir)).toThrow('others may write into the data directory');
  expect(mode(dataDir)).toBe('777');
});
