/** Has a build deleted. */
import type { CommandDeclaration } from './declaration.ts';

export const dibImageDeleteCommand: CommandDeclaration = {
  name: 'dib-image-delete',
  description: 'have a build deleted, with its files and all its uploads; the id is that of dib-image-list',
  examples: ['nodepool dib-image-delete debian-13-0123456789abcdef0123456789abcdef'],
  declare: (command, { globals }) =>
    command
      .argument('<id>')
      .action(async (id: string) => (await import('../actions/image-changes.ts')).dibImageDelete(globals(), id)),
};
