/** Shows requests and nodes while they change. */
import type { CommandDeclaration } from './declaration.ts';

export const watchCommand: CommandDeclaration = {
  name: 'watch',
  description: 'show requests and nodes live',
  examples: ['nodepool watch'],
  declare: (command, { globals }) => command.action(async () => (await import('../actions/watch.ts')).watch(globals())),
};
