/** Keeps a node for a person. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const holdCommand: CommandDeclaration = {
  name: 'hold',
  description: 'keep a node for a person',
  examples: ['nodepool hold 0000000042'],
  declare: (command, { globals }) =>
    command
      .argument('<id>')
      .addOption(formatOption())
      .action(async (id: string, { format }: Formatted) =>
        (await import('../actions/change-node.ts')).changeNode(globals(), id, 'hold', format),
      ),
};
