/** Ends the pause of an image. */
import type { CommandDeclaration } from './declaration.ts';

export const imageUnpauseCommand: CommandDeclaration = {
  name: 'image-unpause',
  description: 'have builds and uploads of an image made again',
  examples: ['nodepool image-unpause debian-13'],
  declare: (command, { globals }) =>
    command
      .argument('<image>')
      .action(async (image: string) => (await import('../actions/image-changes.ts')).imageUnpause(globals(), image)),
};
