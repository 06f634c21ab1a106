/** Checks the configuration. */
import type { CommandDeclaration } from './declaration.ts';

export const configValidateCommand: CommandDeclaration = {
  name: 'config-validate',
  description: 'check the configuration, and the secure file where one is given',
  examples: ['nodepool -c nodepool.yaml config-validate', 'nodepool -c nodepool.yaml config-validate --strict'],
  declare: (command, { globals, exitWith }) =>
    command
      .option('--strict', 'fail also for warnings and for what only the daemons refuse')
      .action(async ({ strict }: { strict?: boolean }) => {
        exitWith((await import('../actions/config-validate.ts')).configValidate(globals(), strict ?? false));
      }),
};
