/** Has a node deleted. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const deleteCommand: CommandDeclaration = {
  name: 'delete',
  description: 'have a node deleted by its launcher',
  examples: ['nodepool delete 0000000042', 'nodepool delete --now 0000000042'],
  declare: (command, { globals }) =>
    command
      .argument('<id>')
      .option('--now', 'delete it here and now, without a launcher')
      .addOption(formatOption())
      .action(async (id: string, { now, format }: Formatted & { now?: boolean }) => {
        if (now) await (await import('../actions/delete-now.ts')).deleteNow(globals(), id, format);
        else await (await import('../actions/change-node.ts')).changeNode(globals(), id, 'deleting', format);
      }),
};
