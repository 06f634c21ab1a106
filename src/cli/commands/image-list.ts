/** Lists uploads of images. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const imageListCommand: CommandDeclaration = {
  name: 'image-list',
  description: 'list the uploads of images to providers',
  examples: ['nodepool image-list', 'nodepool image-list --format json'],
  declare: (command, { globals }) =>
    command
      .addOption(formatOption())
      .action(async ({ format }: Formatted) =>
        (await import('../actions/image-listings.ts')).imageList(globals(), format),
      ),
};
