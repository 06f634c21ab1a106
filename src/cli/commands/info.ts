/** Shows what ZooKeeper holds of a provider. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const infoCommand: CommandDeclaration = {
  name: 'info',
  description: "show a provider's images and nodes",
  examples: ['nodepool info cloud1'],
  declare: (command, { globals }) =>
    command
      .argument('<provider>')
      .addOption(formatOption())
      .action(async (provider: string, { format }: Formatted) =>
        (await import('../actions/provider-info.ts')).providerInfo(globals(), provider, format),
      ),
};
