/** Writes the records of images to a file. */
import type { CommandDeclaration } from './declaration.ts';

export const exportImageDataCommand: CommandDeclaration = {
  name: 'export-image-data',
  description: 'write the records of all builds and uploads to a file',
  examples: ['nodepool export-image-data /var/backups/nodepool-images.json'],
  declare: (command, { globals }) =>
    command
      .argument('<path>')
      .action(async (path: string) => (await import('../actions/image-data.ts')).exportImages(globals(), path)),
};
