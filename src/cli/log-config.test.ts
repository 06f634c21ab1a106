import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loggedLevel } from './log-config.ts';
import { temporaryDirectory } from './testing/command-line.ts';

function level(name: string, text: string): string | undefined {
  const file = join(temporaryDirectory(), name);
  writeFileSync(file, text);
  return loggedLevel({ logconfig: file });
}

it.each([
  ['a.yaml', 'version: 1\nloggers:\n  nodepool: {level: DEBUG, handlers: [console]}\nroot: {level: ERROR}\n', 'debug'],
  ['a.yml', 'root: {level: WARNING}\n', 'warn'],
  ['a.json', '{"loggers": {"nodepool": {"level": "ERROR"}}}', 'error'],
  ['a.json', '{"version": 1}', undefined],
  ['a.yaml', 'just text', undefined],
  ['a.conf', '[loggers]\nkeys=root,nodepool\n[logger_root]\nlevel=WARNING\n[logger_nodepool]\nlevel=DEBUG\n', 'debug'],
  ['a.conf', '[logger_root]\nhandlers=console\nlevel = INFO\n', 'info'],
  ['a.conf', '[handler_x]\nlevel=DEBUG\n', undefined],
])('%s: %j gives %s', (name, text, expected) => {
  expect(level(name, text)).toBe(expected);
});

it('--debug goes over the file, which must be readable all the same', () => {
  expect(loggedLevel({ debug: true })).toBe('debug');
  expect(() => loggedLevel({ debug: true, logconfig: '/nowhere/x.yaml' })).toThrow("/nowhere/x.yaml can't be read");
  expect(() => level('a.yaml', 'a: [')).toThrow('is no YAML');
});
