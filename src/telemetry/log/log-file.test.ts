import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { LogFile, type LogFileDeps, type LogFileOptions } from './log-file.ts';
import { nextRolloverMs, rolledSuffix } from './rotation.ts';

/** What is left on the disk. */
const room = vi.hoisted(() => ({ bytes: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeSync = (fd: number, data: Buffer | string) => {
    if (room.bytes === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    const written = fs.writeSync(fd, Buffer.from(data).subarray(0, room.bytes));
    room.bytes -= written;
    return written;
  };
  return { ...fs, writeSync };
});

function place() {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-log-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'nodepool.log');
  const open = (options: Partial<LogFileOptions> = {}, deps: LogFileDeps = {}) => {
    const file = new LogFile({ path, ...options }, deps);
    onTestFinished(() => file.close());
    return file;
  };
  return { directory, path, open, text: (name = 'nodepool.log') => readFileSync(join(directory, name), 'utf8') };
}

it('goes on where the file ends, and closes it to the world', () => {
  const { path, open, text } = place();
  open().write('one\n');
  open().write('two\n');
  expect(text()).toBe('one\ntwo\n');
  expect(statSync(path).mode & 0o007).toBe(0);
  open({ truncate: true }).write('three\n');
  expect(text()).toBe('three\n');
});

it('is opened anew when it was moved away or removed', () => {
  const { path, open, text } = place();
  const file = open();
  file.write('one\n');
  renameSync(path, `${path}.1`);
  file.write('two\n');
  expect([text('nodepool.log.1'), text()]).toEqual(['one\n', 'two\n']);
  rmSync(path);
  writeFileSync(path, 'theirs\n');
  file.write('three\n');
  expect(text()).toBe('theirs\nthree\n');
});

it('a file that can not be written costs lines, which are counted, and not the process', () => {
  const { directory, path, open, text } = place();
  expect(() => new LogFile({ path: join(directory, 'missing', 'x.log') })).toThrow('ENOENT');
  const file = open();
  rmSync(path);
  mkdirSync(path);
  file.write('one\n');
  file.write('two\n');
  rmSync(path, { recursive: true });
  file.write('three\n');
  expect(text()).toBe('Lines could not be written here {"lost":2}\nthree\n');
});

it('a rotation that fails costs no lines, is said once, and is tried again', () => {
  const { directory, path, open, text } = place();
  let nowMs = 0;
  const runtime = { ...systemRuntime, monotonicMs: () => nowMs };
  const file = open({ rotation: { by: 'size', maxBytes: 5, keep: 1 } }, { runtime });
  mkdirSync(`${path}.1`);
  for (const line of ['one', 'two', 'three', 'four']) file.write(`${line}\n`);
  nowMs += 120_000;
  file.write('five\n');
  expect(text().replace(/(reason":")[^}]*/, '$1')).toBe(
    'one\nThis log can not be rotated {"reason":"}\ntwo\nthree\nfour\nfive\n',
  );
  rmSync(`${path}.1`, { recursive: true });
  nowMs += 120_000;
  file.write('six\n');
  expect(text()).toBe('six\n');
  expect(readdirSync(directory).sort()).toEqual(['nodepool.log', 'nodepool.log.1']);
});

it('a line that a full disk has torn is ended before the next', () => {
  const { open, text } = place();
  const file = open({}, { notice: (message, fields) => `${JSON.stringify({ ...fields, msg: message })}\n` });
  room.bytes = 6;
  onTestFinished(() => void (room.bytes = Number.POSITIVE_INFINITY));
  file.write('{"a":1}\n');
  file.write('{"a":2}\n');
  room.bytes = Number.POSITIVE_INFINITY;
  file.write('{"a":3}\n');
  expect(text()).toBe('{"a":1\n{"lost":2,"msg":"Lines could not be written here"}\n{"a":3}\n');
});

it('by size: numbers its files and keeps as many as wanted', () => {
  const { directory, open, text } = place();
  const file = open({ rotation: { by: 'size', maxBytes: 10, keep: 2 } });
  for (const line of ['first\n', 'second\n', 'third\n', 'fourth\n', 'a line that is longer than a file\n', 'x\n']) {
    file.write(line);
  }
  expect(readdirSync(directory).sort()).toEqual(['nodepool.log', 'nodepool.log.1', 'nodepool.log.2']);
  expect([text(), text('nodepool.log.1'), text('nodepool.log.2')]).toEqual([
    'x\n',
    'a line that is longer than a file\n',
    'fourth\n',
  ]);
});

it('by time: names its files after their day and keeps as many as wanted', () => {
  const { directory, open, text } = place();
  let nowMs = Date.UTC(2026, 0, 30, 23, 59, 59);
  const runtime = { ...systemRuntime, nowMs: () => nowMs };
  const file = open({ rotation: { by: 'time', when: 'MIDNIGHT', interval: 1, keep: 2, utc: true } }, { runtime });
  writeFileSync(join(directory, 'nodepool.log.keep-me'), '');
  for (const day of [30, 31, 32, 33]) {
    file.write(`${day}\n`);
    file.write(`${day} again\n`);
    nowMs += 86_400_000;
  }
  expect(readdirSync(directory).sort()).toEqual([
    'nodepool.log',
    'nodepool.log.2026-01-31',
    'nodepool.log.2026-02-01',
    'nodepool.log.keep-me',
  ]);
  expect(text('nodepool.log.2026-02-01')).toBe('32\n32 again\n');
});

describe('times of rotation', () => {
  const policy = { by: 'time', interval: 1, keep: 0, utc: true } as const;
  // A Friday.
  const since = Date.UTC(2026, 0, 30, 12, 30, 15);

  it.each([
    ['S', 5, '2026-01-30T12:30:20Z', '2026-01-30_12-30-15'],
    ['M', 1, '2026-01-30T12:31:15Z', '2026-01-30_12-30'],
    ['H', 2, '2026-01-30T14:30:15Z', '2026-01-30_12'],
    ['D', 1, '2026-01-31T12:30:15Z', '2026-01-30'],
    ['MIDNIGHT', 1, '2026-01-31T00:00:00Z', '2026-01-30'],
    ['W4', 1, '2026-01-31T00:00:00Z', '2026-01-30'],
    ['W0', 1, '2026-02-03T00:00:00Z', '2026-01-30'],
  ] as const)('%s, %i', (when, interval, next, suffix) => {
    expect(nextRolloverMs({ ...policy, when, interval }, since)).toBe(Date.parse(next));
    expect(rolledSuffix({ ...policy, when, interval }, since)).toBe(suffix);
  });
});
