/** image-list, dib-image-list, image-status: list uploads, builds and images, read directly from ZooKeeper. */
import { buildColumns, imageStatusColumns, uploadColumns } from '../../listings/image-columns.ts';
import { listedBuilds, listedStatus, listedUploads } from '../../listings/image-rows.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Images } from '../../store/transactions/images.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type OutputFormat, rendered } from '../../listings/format.ts';

export async function imageList(globals: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const uploads = await listedUploads(new Images(client, systemRuntime));
    console.log(rendered(uploadColumns(systemRuntime.nowMs()), uploads, format));
  });
}

export async function dibImageList(globals: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const builds = await listedBuilds(new Images(client, systemRuntime));
    console.log(rendered(buildColumns(systemRuntime.nowMs()), builds, format));
  });
}

export async function imageStatus(globals: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const status = await listedStatus(new Images(client, systemRuntime));
    console.log(rendered(imageStatusColumns(systemRuntime.nowMs()), status, format));
  });
}
