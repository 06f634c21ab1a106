/** Lists the pools of launchers. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const launcherListCommand: CommandDeclaration = {
  name: 'launcher-list',
  description: 'list the pools of all running launchers',
  examples: ['nodepool launcher-list'],
  declare: (command, { globals }) =>
    command
      .addOption(formatOption())
      .action(async ({ format }: Formatted) =>
        (await import('../actions/listings.ts')).launcherList(globals(), format),
      ),
};
