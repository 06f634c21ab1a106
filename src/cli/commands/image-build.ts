/** Asks for the build of an image. */
import type { CommandDeclaration } from './declaration.ts';

export const imageBuildCommand: CommandDeclaration = {
  name: 'image-build',
  description: 'ask the builders for a new build of an image',
  examples: ['nodepool image-build debian-13'],
  declare: (command, { globals }) =>
    command
      .argument('<image>')
      .action(async (image: string) => (await import('../actions/image-changes.ts')).imageBuild(globals(), image)),
};
