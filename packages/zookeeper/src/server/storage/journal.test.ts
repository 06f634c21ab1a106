import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemRuntime } from '../../runtime/runtime.ts';
import { type Journal, JournalFiles, readJournal, removeJournals } from './journal.ts';

let directory: string;
let files: JournalFiles;
let journal: Journal;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'));
  files = new JournalFiles(join(directory, 'data.mdb'));
  journal = files.create(systemRuntime);
});
afterEach(async () => {
  await journal.close();
  rmSync(directory, { recursive: true, force: true });
});

const texts = () => readJournal(journal.file).map(String);

test('gives back its records in order, of any size, for its owner alone', async () => {
  const large = Buffer.alloc(3 * 1024 * 1024, 'x');
  for (const record of [Buffer.from('a'), large, Buffer.from('b')]) await journal.append(record);
  expect(texts()).toEqual(['a', large.toString(), 'b']);
  expect(statSync(journal.file).mode & 0o777).toBe(0o600);
});

test('a record that is cut off or changed ends it; what came before stays', async () => {
  await journal.append(Buffer.from('first'));
  const end = journal.position;
  await journal.append(Buffer.from('second'));
  const whole = readFileSync(journal.file);
  for (let cut = end; cut < journal.position; cut++) {
    truncateSync(journal.file, cut);
    expect(texts()).toEqual(['first']);
  }
  for (let at = end; at < journal.position; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1;
    writeFileSync(journal.file, changed);
    expect(texts()).toEqual(['first']);
  }
});

test('remains of another write are not taken for a record, though they look like one', async () => {
  await journal.append(Buffer.from('first'));
  const end = journal.position;
  await journal.append(Buffer.from('second'));
  const second = readFileSync(journal.file).subarray(end, journal.position);
  // The same bytes at another place, and at the same place of another journal.
  await journal.append(Buffer.from('third'));
  const moved = Buffer.concat([readFileSync(journal.file).subarray(0, journal.position), second]);
  writeFileSync(journal.file, moved);
  expect(texts()).toEqual(['first', 'second', 'third']);
  const other = files.create(systemRuntime);
  await other.append(Buffer.from('first'));
  writeFileSync(other.file, Buffer.concat([readFileSync(other.file).subarray(0, end), second]));
  expect(readJournal(other.file).map(String)).toEqual(['first']);
  await other.close();
});

test('an empty file, a foreign one and one without records hold nothing', async () => {
  expect(texts()).toEqual([]);
  await journal.append(Buffer.from('x'));
  truncateSync(journal.file, 24);
  expect(texts()).toEqual([]);
  writeFileSync(journal.file, Buffer.alloc(500, 'no journal'));
  expect(texts()).toEqual([]);
});

test('journals are found oldest first, numbers are not used twice', async () => {
  for (let i = 0; i < 11; i++) await files.create(systemRuntime).close();
  const again = new JournalFiles(join(directory, 'data.mdb'));
  const names = again.existing();
  expect(names.map((name) => name.split('-').at(-1))).toEqual(Array.from({ length: 12 }, (_, i) => String(i + 1)));
  removeJournals(names.slice(0, 11));
  expect(names.map((name) => existsSync(name)).lastIndexOf(false)).toBe(10);
  const next = again.create(systemRuntime);
  expect(next.file).toMatch(/-journal-13$/);
  await next.close();
});
