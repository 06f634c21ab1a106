import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { build } from '../../src/cli/program.ts';
import { commandsReference } from './commands-reference.ts';

const page = commandsReference();

test('the page is that of the declarations: otherwise `npm run docs:reference`', () => {
  expect(readFileSync(new URL('../../docs/reference/commands.md', import.meta.url), 'utf8')).toBe(page);
});

test('every command is there with its options and examples', () => {
  const { commands } = build({ status: 0 });
  expect(commands.length).toBeGreaterThan(25);
  for (const command of commands) {
    const [, section] = page.split(`\n## ${command.name()}\n`);
    expect(section, command.name()).toContain(`nodepool ${command.name()}`);
    for (const { long } of command.options) expect(section!.split('\n## ')[0], command.name()).toContain(long!);
    expect(section!.split('\n## ')[0], command.name()).toMatch(/```sh\nnodepool /);
  }
});
