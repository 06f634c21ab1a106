/** Shows what a reload would change. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const configDiffCommand: CommandDeclaration = {
  name: 'config-diff',
  description: 'show what a reload would change if <file> were the configuration; status 1 when there is a difference',
  examples: ['nodepool config-diff nodepool.yaml.new'],
  declare: (command, { globals, exitWith }) =>
    command
      .argument('<file>')
      .addOption(formatOption())
      .action(async (file: string, { format }: Formatted) => {
        exitWith(await (await import('../actions/config-diff.ts')).configDiff(globals(), file, format));
      }),
};
