/** Says why a request waits or a node is as it is. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const explainCommand: CommandDeclaration = {
  name: 'explain',
  description: 'say why a request waits or a node is as it is',
  examples: ['nodepool explain 200-0000000007', 'nodepool explain 0000000042'],
  declare: (command, { globals }) =>
    command
      .argument('<id>')
      .addOption(formatOption())
      .action(async (id: string, { format }: Formatted) =>
        (await import('../actions/explain.ts')).explain(globals(), id, format),
      ),
};
