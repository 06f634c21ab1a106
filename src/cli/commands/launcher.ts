/** Runs a launcher. */
import type { CommandDeclaration } from './declaration.ts';
import { noWebappOption } from './option-values.ts';

export const launcherCommand: CommandDeclaration = {
  name: 'launcher',
  description: 'run a launcher against the configured ZooKeeper or the running coordinator',
  examples: ['nodepool -c nodepool.yaml -s secure.yaml launcher'],
  declare: (command, { globals }) =>
    command
      .addOption(noWebappOption())
      .action(async (options: { webapp: boolean }) =>
        (await import('../../program/daemon/launcher-process.ts')).launcher({ ...globals(), ...options }),
      ),
};
