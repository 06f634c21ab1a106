/** Lists nodes. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const listCommand: CommandDeclaration = {
  name: 'list',
  description: 'list nodes',
  examples: ['nodepool list', 'nodepool list --detail --format json'],
  declare: (command, { globals }) =>
    command
      .option('--detail', 'more columns')
      .addOption(formatOption())
      .action(async ({ detail, format }: Formatted & { detail?: boolean }) =>
        (await import('../actions/listings.ts')).list(globals(), detail ?? false, format),
      ),
};
