/** Runs the embedded coordinator. */
import type { CommandDeclaration } from './declaration.ts';

export const coordinatorCommand: CommandDeclaration = {
  name: 'coordinator',
  description: 'run the embedded coordinator alone',
  examples: ['nodepool -c nodepool.yaml coordinator'],
  declare: (command, { globals }) =>
    command.action(async () => (await import('../../program/daemon/coordinator-process.ts')).coordinator(globals())),
};
