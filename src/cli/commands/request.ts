/** Takes nodes as a CI system would. */
import type { RequestOptions } from '../actions/request.ts';
import type { CommandDeclaration } from './declaration.ts';
import { collected, formatOption, positiveSeconds, priority } from './option-values.ts';

export const requestCommand: CommandDeclaration = {
  name: 'request',
  description: 'take nodes as a CI system would, hold them, give them back',
  examples: [
    'nodepool request --label debian-13 --wait',
    'nodepool request --label debian-13 --label debian-13 --exec ./run-tests',
  ],
  declare: (command, { globals, exitWith }) =>
    command
      .requiredOption(
        '-l, --label <label>',
        'label of a node; repeat for several',
        (value, all: string[] | undefined) => collected(value, all ?? []),
      )
      .option('--wait', 'wait for the nodes and hold them until interrupted or the end of the input')
      .option('--exec <command>', 'run a shell command with the nodes in its environment, then give them back')
      .option('--priority <digits>', '100 high, 200 normal, 300 low', priority, '200')
      .option('--provider <name>', 'the only provider to take them from')
      .option('--no-reuse', 'launch new nodes even if there are some in stock')
      .option('--timeout <seconds>', 'give up waiting for the nodes after this time', positiveSeconds)
      .addOption(formatOption())
      .action(async (options: RequestOptions) => {
        exitWith(await (await import('../actions/request.ts')).request(globals(), options));
      }),
};
