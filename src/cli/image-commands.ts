/** The commands about disk images, their builds and uploads. */
import type { Command } from 'commander';
import type { GlobalOptions } from '../program/context.ts';
import { formatOption } from './format-option.ts';
import type { OutputFormat } from '../listings/format.ts';

interface UploadOptions {
  readonly provider: string;
  readonly image: string;
  readonly uploadId: string;
  readonly buildId: string;
}

export function addImageCommands(program: Command, globals: () => GlobalOptions): void {
  addImageListings(program, globals);
  addImageChanges(program, globals);
  addImageData(program, globals);
}

function addImageListings(program: Command, globals: () => GlobalOptions): void {
  const listings = () => import('./commands/images.ts');
  program
    .command('image-list')
    .description('list the uploads of images to providers')
    .addOption(formatOption())
    .action(async (o: { format: OutputFormat }) => (await listings()).imageList(globals(), o.format));
  program
    .command('dib-image-list')
    .description('list the builds of images')
    .addOption(formatOption())
    .action(async (o: { format: OutputFormat }) => (await listings()).dibImageList(globals(), o.format));
  program
    .command('image-status')
    .description('list images: whether they are paused, and what builds are asked for')
    .addOption(formatOption())
    .action(async (o: { format: OutputFormat }) => (await listings()).imageStatus(globals(), o.format));
  program
    .command('alien-image-list [provider]')
    .description('list images in the clouds that a builder made and no record knows')
    .addOption(formatOption())
    .action(async (provider: string | undefined, o: { format: OutputFormat }) =>
      (await import('./commands/alien-images.ts')).alienImageList(globals(), provider, o.format),
    );
}

function addImageChanges(program: Command, globals: () => GlobalOptions): void {
  const changes = () => import('./commands/image-changes.ts');
  program
    .command('image-build <image>')
    .description('ask the builders for a new build of an image')
    .action(async (image: string) => (await changes()).imageBuild(globals(), image));
  program
    .command('image-pause <image>')
    .description('have no builds and uploads of an image made until it is unpaused')
    .action(async (image: string) => (await changes()).imagePause(globals(), image));
  program
    .command('image-unpause <image>')
    .description('have builds and uploads of an image made again')
    .action(async (image: string) => (await changes()).imageUnpause(globals(), image));
  program
    .command('dib-image-delete <id>')
    .description('have a build deleted, with its files and all its uploads; the id is that of dib-image-list')
    .action(async (id: string) => (await changes()).dibImageDelete(globals(), id));
  program
    .command('image-delete')
    .description('have one upload deleted; an image that is not paused is uploaded again')
    .requiredOption('--provider <name>', 'where it was uploaded to')
    .requiredOption('--image <name>', 'its image')
    .requiredOption('--upload-id <id>', 'its number, as image-list has it')
    .requiredOption('--build-id <id>', 'the build that was uploaded, as image-list has it')
    .action(async ({ provider, image, uploadId, buildId }: UploadOptions) =>
      (await changes()).imageDelete(globals(), { provider, image, upload: uploadId, build: buildId }),
    );
}

function addImageData(program: Command, globals: () => GlobalOptions): void {
  const data = () => import('./commands/image-data.ts');
  program
    .command('export-image-data <path>')
    .description('write the records of all builds and uploads to a file')
    .action(async (path: string) => (await data()).exportImages(globals(), path));
  program
    .command('import-image-data <path>')
    .description('put records of builds and uploads from a file back; launchers and builders must not run')
    .action(async (path: string) => (await data()).importImages(globals(), path));
}
