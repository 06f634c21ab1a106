/** image-list, dib-image-list, image-status: uploads, builds and images, read directly. */
import {
  buildColumns,
  imageStatusColumns,
  type ListedBuild,
  type ListedUpload,
  uploadColumns,
} from '../../api/listings/image-columns.ts';
import { systemRuntime } from '../../runtime.ts';
import { Images } from '../../store/images.ts';
import { withZooKeeper } from '../connection.ts';
import type { GlobalOptions } from '../context.ts';
import { type OutputFormat, rendered } from '../output/format.ts';

export async function imageList(o: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const images = new Images(client, systemRuntime);
    const uploads = (await images.allUploadIds()).map(async (id): Promise<ListedUpload[]> => {
      const record = await images.upload(id);
      return record ? [{ ...id, record }] : [];
    });
    console.log(rendered(uploadColumns(systemRuntime.nowMs()), (await Promise.all(uploads)).flat(), format));
  });
}

export async function dibImageList(o: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const images = new Images(client, systemRuntime);
    const builds = (await images.buildIds()).map(async (id): Promise<ListedBuild[]> => {
      const [record, paused] = await Promise.all([images.build(id), images.isPaused(id.image)]);
      return record ? [{ ...id, record, paused }] : [];
    });
    console.log(rendered(buildColumns(systemRuntime.nowMs()), (await Promise.all(builds)).flat(), format));
  });
}

export async function imageStatus(o: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const images = new Images(client, systemRuntime);
    const status = await Promise.all((await images.names()).map((image) => images.status(image)));
    console.log(rendered(imageStatusColumns(systemRuntime.nowMs()), status, format));
  });
}
