/** Has an upload deleted. */
import type { CommandDeclaration } from './declaration.ts';

interface UploadOptions {
  readonly provider: string;
  readonly image: string;
  readonly uploadId: string;
  readonly buildId: string;
}

export const imageDeleteCommand: CommandDeclaration = {
  name: 'image-delete',
  description: 'have one upload deleted; an image that is not paused is uploaded again',
  examples: [
    'nodepool image-delete --provider cloud1 --image debian-13 --build-id 0123456789abcdef0123456789abcdef --upload-id 0000000001',
  ],
  declare: (command, { globals }) =>
    command
      .requiredOption('--provider <name>', 'where it was uploaded to')
      .requiredOption('--image <name>', 'its image')
      .requiredOption('--upload-id <id>', 'its number, as image-list has it')
      .requiredOption('--build-id <id>', 'the build that was uploaded, as image-list has it')
      .action(async ({ provider, image, uploadId, buildId }: UploadOptions) =>
        (await import('../actions/image-changes.ts')).imageDelete(globals(), {
          provider,
          image,
          upload: uploadId,
          build: buildId,
        }),
      ),
};
