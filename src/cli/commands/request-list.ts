/** Lists node requests. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const requestListCommand: CommandDeclaration = {
  name: 'request-list',
  description: 'list node requests',
  examples: ['nodepool request-list', 'nodepool request-list --format yaml'],
  declare: (command, { globals }) =>
    command
      .addOption(formatOption())
      .action(async ({ format }: Formatted) => (await import('../actions/listings.ts')).requestList(globals(), format)),
};
