/** Lists images that no record knows. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const alienImageListCommand: CommandDeclaration = {
  name: 'alien-image-list',
  description: 'list images in the clouds that a builder made and no record knows',
  examples: ['nodepool alien-image-list', 'nodepool alien-image-list cloud1'],
  declare: (command, { globals }) =>
    command
      .argument('[provider]')
      .addOption(formatOption())
      .action(async (provider: string | undefined, { format }: Formatted) =>
        (await import('../actions/alien-images.ts')).alienImageList(globals(), provider, format),
      ),
};
