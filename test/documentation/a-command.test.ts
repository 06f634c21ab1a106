/** The example of docs/development/a-command.md: it is the one that is compiled here, and it does what the page says. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { build } from '../../src/cli/program.ts';
import { coordinatorIn, fakeCloudConfig, temporaryDirectory } from '../../src/cli/testing/command-line.ts';
import type { GlobalOptions } from '../../src/program/context.ts';
import { countNodesCommand } from './example-command/count-nodes-command.ts';

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const page = textOf('../../docs/development/a-command.md');
const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!);
/** As it would be in cli/commands or cli/actions. */
const moved = (source: string): string =>
  source
    .replaceAll("'../../../src/cli/commands/", "'./")
    .replaceAll("'./count-nodes.ts'", "'../actions/count-nodes.ts'")
    .replaceAll("'../../../src/", "'../../");

test('the page shows the example as it is here', () => {
  expect(blocks[0]).toBe(moved(textOf('./example-command/count-nodes-command.ts')));
  expect(blocks[1]).toBe(moved(textOf('./example-command/count-nodes.ts')));
});

test('the example works', async () => {
  const config = fakeCloudConfig(temporaryDirectory(), 'labels: [{name: small}, {name: large}]');
  const client = await coordinatorIn(config.replace(/[^/]+$/, 'data'));
  await client.ensurePath('/nodepool/nodes/0000000001');
  await client.set('/nodepool/nodes/0000000001', Buffer.from('{"state": "ready", "type": ["small"]}'));
  const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const count = async (state: string) => {
    let status = 0;
    const program = build({ status });
    countNodesCommand.declare(program.command(countNodesCommand.name), {
      globals: () => program.opts<GlobalOptions>(),
      exitWith: (wanted) => (status = wanted),
    });
    await program.parseAsync(['-c', config, 'count-nodes', state], { from: 'user' });
    return [status, printed.mock.lastCall];
  };
  expect(await count('ready')).toEqual([0, [1]]);
  expect(await count('hold')).toEqual([1, [0]]);
  printed.mockRestore();
});

test('what the page imports for its test is there', async () => {
  const helpers: object = await import('../../src/cli/testing/command-line.ts');
  const [, names] = /import \{ (.+) \} from '\.\.\/testing\/command-line\.ts'/.exec(blocks.at(-1)!)!;
  expect(names!.split(', ').filter((name) => !(name in helpers))).toEqual([]);
});
