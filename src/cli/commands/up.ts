/** Runs everything in one process. */
import type { CommandDeclaration } from './declaration.ts';
import { noWebappOption } from './option-values.ts';

export const upCommand: CommandDeclaration = {
  name: 'up',
  description: 'run everything in one process, with the embedded coordinator where no zookeeper-servers are configured',
  examples: ['nodepool -c nodepool.yaml up'],
  declare: (command, { globals }) =>
    command
      .addOption(noWebappOption())
      .action(async (options: { webapp: boolean }) =>
        (await import('../../program/daemon/launcher-process.ts')).up({ ...globals(), ...options }),
      ),
};
