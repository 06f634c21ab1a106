/** image-build, image-pause, image-unpause, dib-image-delete, image-delete: tell builders what an operator wants. */
import { systemRuntime } from '../../base/runtime.ts';
import { Images, type UploadId } from '../../store/transactions/images.ts';
import { NoNodeError } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { nameInTree } from './name-in-tree.ts';
import { UserError } from '../../base/user-error.ts';

export async function imageBuild(globals: GlobalOptions, image: string): Promise<void> {
  await withZooKeeper(globals, async (client, config) => {
    const configured = config.diskimages.get(image);
    if (!configured) {
      throw new UserError(`${image} is not among the diskimages of ${globals.config} that can be built`);
    }
    if (configured.pause) throw new UserError(`${image} is paused in ${globals.config}, so it is not built`);
    await new Images(client, systemRuntime).requestBuild(image);
  });
}

export async function imagePause(globals: GlobalOptions, image: string): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    try {
      await new Images(client, systemRuntime).pause(nameInTree(image));
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
      throw new UserError(`no builder has seen an image ${image} yet, so there is nothing to pause`, 1, error);
    }
  });
}

export async function imageUnpause(globals: GlobalOptions, image: string): Promise<void> {
  await withZooKeeper(globals, async (client) => new Images(client, systemRuntime).unpause(nameInTree(image)));
}

export async function dibImageDelete(globals: GlobalOptions, id: string): Promise<void> {
  const dash = id.lastIndexOf('-');
  if (dash < 1) throw new UserError(`${id} is no ID of a build: those of dib-image-list are <image>-<build>`);
  await withZooKeeper(globals, async (client) => {
    const build = { image: nameInTree(id.slice(0, dash)), build: nameInTree(id.slice(dash + 1)) };
    const result = await new Images(client, systemRuntime).deleteBuild(build);
    if (result === 'gone') console.log(`Build ${id} not found`);
    if (result === 'busy') console.log('Cannot delete a build in progress');
  });
}

export async function imageDelete(globals: GlobalOptions, id: UploadId): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    for (const part of Object.values(id)) nameInTree(part as string);
    const result = await new Images(client, systemRuntime).deleteUpload(id);
    if (result === 'gone') console.log('Image upload not found');
    if (result === 'busy') console.log('Cannot delete because image upload in progress');
  });
}
