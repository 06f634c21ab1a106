/** Lists builds of images. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const dibImageListCommand: CommandDeclaration = {
  name: 'dib-image-list',
  description: 'list the builds of images',
  examples: ['nodepool dib-image-list'],
  declare: (command, { globals }) =>
    command
      .addOption(formatOption())
      .action(async ({ format }: Formatted) =>
        (await import('../actions/image-listings.ts')).dibImageList(globals(), format),
      ),
};
