/** Forgets a provider. */
import type { CommandDeclaration } from './declaration.ts';

export const eraseCommand: CommandDeclaration = {
  name: 'erase',
  description: 'forget all nodes and uploads of a provider; what is in its cloud stays there',
  examples: ['nodepool erase cloud1', 'nodepool erase --force cloud1'],
  declare: (command, { globals }) =>
    command
      .argument('<provider>')
      .option('--force', 'do not ask')
      .action(async (provider: string, { force }: { force?: boolean }) =>
        (await import('../actions/erase.ts')).erase(globals(), provider, force ?? false),
      ),
};
