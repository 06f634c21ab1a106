/** docs/security.md names all programs that are started: a new place that starts one must be added there, and here. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** By the module that starts it. */
const programs: Readonly<Record<string, string>> = {
  'cli/actions/node-environment.ts': '`nodepool request --exec`',
  'program/daemon/detach.ts': '`nodepool-launcher` itself',
  'program/daemon/service-manager.ts': '`systemd-notify`',
};

it('docs/security.md names every program that is started', () => {
  const modules = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.includes('testing/'))
    .filter((name) => readFileSync(join(root, 'src', name), 'utf8').includes('node:child_process'));
  expect(modules.sort()).toEqual(Object.keys(programs).sort());
  const page = readFileSync(join(root, 'docs/security.md'), 'utf8');
  for (const program of Object.values(programs)) expect(page).toContain(program);
});
