/** All uploads, builds and images of a tree, read directly, as the listings show them. What can't be read is left out. */
import type { Images, ImageStatus } from '../store/transactions/images.ts';
import type { ListedBuild, ListedUpload } from './image-columns.ts';

export async function listedUploads(images: Images): Promise<ListedUpload[]> {
  const uploads = (await images.allUploadIds()).map(async (id): Promise<ListedUpload[]> => {
    const record = await images.upload(id);
    return record ? [{ ...id, record }] : [];
  });
  return (await Promise.all(uploads)).flat();
}

export async function listedBuilds(images: Images): Promise<ListedBuild[]> {
  const builds = (await images.buildIds()).map(async (id): Promise<ListedBuild[]> => {
    const [record, paused] = await Promise.all([images.build(id), images.isPaused(id.image)]);
    return record ? [{ ...id, record, paused }] : [];
  });
  return (await Promise.all(builds)).flat();
}

export async function listedStatus(images: Images): Promise<ImageStatus[]> {
  return Promise.all((await images.names()).map((image) => images.status(image)));
}
