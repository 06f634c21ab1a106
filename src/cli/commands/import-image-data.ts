/** Puts the records of images back. */
import type { CommandDeclaration } from './declaration.ts';

export const importImageDataCommand: CommandDeclaration = {
  name: 'import-image-data',
  description: 'put records of builds and uploads from a file back; launchers and builders must not run',
  examples: ['nodepool import-image-data /var/backups/nodepool-images.json'],
  declare: (command, { globals }) =>
    command
      .argument('<path>')
      .action(async (path: string) => (await import('../actions/image-data.ts')).importImages(globals(), path)),
};
