import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { folderOf, rooms, withRoomsTable } from './rooms.ts';
import { structureOf } from './structure.ts';

const architecture = new URL('../../docs/architecture.md', import.meta.url);

test('the table in docs/architecture.md is the one that is checked: otherwise `npm run docs:reference`', () => {
  const page = readFileSync(architecture, 'utf8');
  expect(page).toBe(withRoomsTable(page));
});

test('every room of the table is there unless it is to come, and its line names rooms only', () => {
  for (const [room, { may, planned }] of Object.entries(rooms)) {
    expect(existsSync(new URL(`../../${folderOf(room)}`, import.meta.url)), room).toBe(planned !== true);
    for (const other of may) expect(Object.keys(rooms), `${room} → ${other}`).toContain(other);
  }
});

test('no folder and no room is part of a circle, with the helpers of tests counted', async () => {
  const structure = await structureOf(new URL('../..', import.meta.url).pathname);
  expect(structure.circles).toEqual([]);
  expect(structure.circlesWithHelpers).toEqual([]);
  expect(structure.files).toBeGreaterThan(300);
});
