/** Pauses an image. */
import type { CommandDeclaration } from './declaration.ts';

export const imagePauseCommand: CommandDeclaration = {
  name: 'image-pause',
  description: 'have no builds and uploads of an image made until it is unpaused',
  examples: ['nodepool image-pause debian-13'],
  declare: (command, { globals }) =>
    command
      .argument('<image>')
      .action(async (image: string) => (await import('../actions/image-changes.ts')).imagePause(globals(), image)),
};
