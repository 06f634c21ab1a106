/** Counts nodes. */
import type { CommandDeclaration } from '../../../src/cli/commands/declaration.ts';

export const countNodesCommand: CommandDeclaration = {
  name: 'count-nodes',
  description: 'print how many nodes are in a state; status 1 when there is none',
  examples: ['nodepool count-nodes ready'],
  declare: (command, { globals, exitWith }) =>
    command.argument('<state>').action(async (state: string) => {
      const { countNodes } = await import('./count-nodes.ts');
      exitWith(await countNodes(globals(), state));
    }),
};
