import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { takePidFile } from './pid-file.ts';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';

/** Something that sleeps under a name that ends with that word. */
async function sleeper(word: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', "process.send(1); process.on('message', () => {})", '--', word], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'message');
  return child.pid!;
}

const take = (path: string, waitMs = 0) => takePidFile(path, systemRuntime, waitMs);

it('holds the id as long as the process has it', async () => {
  const path = join(temporaryDirectory(), 'run', 'nodepool.pid');
  const umask = process.umask(0o077);
  const file = await take(path).finally(() => process.umask(umask));
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o644);
  expect(readdirSync(join(path, '..'))).toEqual(['nodepool.pid']);
  file.release();
  expect(readdirSync(join(path, '..'))).toEqual([]);
  file.release();
});

it('leaves a file to whoever has it by now', async () => {
  const path = join(temporaryDirectory(), 'nodepool.pid');
  const file = await take(path);
  rmSync(path);
  writeFileSync(path, '1\n');
  file.release();
  expect(readFileSync(path, 'utf8')).toBe('1\n');
});

it('waits for a running one, and says which it is', async () => {
  const path = join(temporaryDirectory(), 'nodepool.pid');
  const other = await sleeper('nodepool-launcher');
  writeFileSync(path, `${other}\n`);
  await expect(take(path)).rejects.toThrow(`process ${other} is running already: it has the pid file ${path}`);
  const waiting = take(path, 60_000);
  process.kill(other, 'SIGKILL');
  await waiting;
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
});

it.each([
  [
    'that runs no more',
    async () => {
      const pid = await sleeper('nodepool');
      process.kill(pid, 'SIGKILL');
      await expect.poll(() => running(pid)).toBe(false);
      return String(pid);
    },
  ],
  ['of another program that has got the number since', async () => String(await sleeper('postgres'))],
  ['that is its own, from before a restart of the container', () => Promise.resolve(String(process.pid))],
  ['that is empty', () => Promise.resolve('')],
])('puts aside the file of a process %s', async (_what, holder) => {
  const directory = temporaryDirectory();
  const path = join(directory, 'nodepool.pid');
  writeFileSync(path, await holder());
  await take(path);
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(readdirSync(directory)).toEqual(['nodepool.pid']);
});

function running(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it('says why it can not be written', async () => {
  const path = join(temporaryDirectory(), 'nodepool.pid');
  mkdirSync(path);
  await expect(take(path)).rejects.toThrow(`the pid file ${path} can't be written: EISDIR`);
});

it('leaves alone what is no pid file', async () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'nodepool.yaml');
  for (const content of ['labels: []\n', '1 2', '7'.repeat(11), 'x'.repeat(100_000)]) {
    writeFileSync(path, content);
    await expect(take(path)).rejects.toThrow(`${path} is no pid file`);
    expect(readFileSync(path, 'utf8')).toBe(content);
  }
  expect(readdirSync(directory)).toEqual(['nodepool.yaml']);
  await expect(take('/dev/null')).rejects.toThrow('/dev/null is no pid file');
});

it('is not led elsewhere by a link that lies in its way', async () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'nodepool.pid');
  const victim = join(directory, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, `${path}.${process.pid}`);
  await take(path);
  expect(readFileSync(victim, 'utf8')).toBe('precious');
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
});

it('a process that began after the file was written has not written it, whatever its name', async () => {
  const path = join(temporaryDirectory(), 'nodepool.pid');
  writeFileSync(path, `${await sleeper('nodepool.yaml')}\n`);
  const anHourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(path, anHourAgo, anHourAgo);
  await take(path);
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
});
