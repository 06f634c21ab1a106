/** Lists images. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption } from './option-values.ts';

export const imageStatusCommand: CommandDeclaration = {
  name: 'image-status',
  description: 'list images: whether they are paused, and what builds are asked for',
  examples: ['nodepool image-status'],
  declare: (command, { globals }) =>
    command
      .addOption(formatOption())
      .action(async ({ format }: Formatted) =>
        (await import('../actions/image-listings.ts')).imageStatus(globals(), format),
      ),
};
