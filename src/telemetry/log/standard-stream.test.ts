import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';

/** Writes so many lines, tells on its standard error, and ends on a signal or with its input. */
const program = (lines: number) => `
import { createLogs } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
const logs = createLogs({
  loggers: new Map([['', { level: 'info', outputs: ['all'], propagate: true }]]),
  outputs: new Map([['all', { level: null, format: { kind: 'json' }, target: { kind: 'stream', fd: 1 } }]]),
});
const log = logs.named('nodepool');
for (let i = 0; i < ${lines}; i++) log.info({ i, padding: 'x'.repeat(1000) }, 'Line');
process.on('SIGTERM', () => process.exit(7));
process.stdin.resume().on('end', () => {
  log.info({}, 'Last');
  process.exit(8);
});
setTimeout(() => process.stderr.write('written ' + Math.round(process.memoryUsage().rss / 1024 / 1024)), 50);
`;

const runTypescript = new URL('../../../test/run-typescript.mjs', import.meta.url).href;

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'nodepool-stream-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Behind a real pipe: those of Node.js are sockets. */
async function writer(lines: number, output: string) {
  const file = join(directory(), 'program.mjs');
  writeFileSync(file, program(lines));
  const child = spawn('sh', ['-c', `exec "$0" "$@" ${output}`, process.execPath, '--import', runTypescript, file], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const [said] = (await once(child.stderr, 'data')) as [Buffer];
  return { child, ended, said: String(said) };
}

it('a full disk ends nothing, and the end is not held up', async () => {
  const { child, ended, said } = await writer(100, '> /dev/full');
  expect(said).toMatch(/^written/);
  child.kill('SIGTERM');
  expect(await ended).toEqual([7, null]);
});

it('a reader that hangs holds up neither the process nor its end', async () => {
  const fifo = join(directory(), 'fifo');
  await once(spawn('sh', ['-c', 'mkfifo "$0"', fifo]), 'exit');
  const reader = openSync(fifo, 'r+');
  onTestFinished(() => closeSync(reader));
  const { child, ended, said } = await writer(100_000, `> '${fifo}'`);
  // 100 MB have been said.
  expect(Number(said.split(' ')[1])).toBeLessThan(200);
  child.kill('SIGTERM');
  expect(await ended).toEqual([7, null]);
});

it('a reader of a socket that hangs does no more harm', async () => {
  const { child, ended, said } = await writer(2000, '');
  expect(said).toMatch(/^written/);
  child.kill('SIGTERM');
  expect(await ended).toEqual([7, null]);
});

it.each(['', '| cat', '> "$OUT"'])('every line comes in order, also the last before the end: %s', async (output) => {
  const out = join(directory(), 'out');
  const { child, ended } = await writer(2000, output.replace('$OUT', out));
  const read = text(child.stdout);
  child.stdin.end();
  await ended;
  const lines = (output.includes('OUT') ? readFileSync(out, 'utf8') : await read).trimEnd().split('\n');
  const said = lines.map((line) => JSON.parse(line) as { i?: number; msg: string });
  expect(said.map(({ i }) => i)).toEqual([...Array(2000).keys(), undefined]);
  expect(said.at(-1)!.msg).toBe('Last');
});

it('says in its own form how many lines are missing', async () => {
  const { child, ended } = await writer(10_000, '');
  const read = text(child.stdout);
  child.stdin.end();
  await ended;
  const said = (await read)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { lost?: number; i?: number });
  const lost = said.find((line) => line.lost !== undefined)!.lost!;
  expect(said.filter(({ i }) => i !== undefined)).toHaveLength(10_000 - lost);
});
