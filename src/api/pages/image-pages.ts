/** The status pages about disk images. Image records are few and change seldom, so they are read from ZooKeeper when somebody asks. */
import type { Runtime } from '../../base/runtime.ts';
import { Images } from '../../store/transactions/images.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { buildColumns, imageStatusColumns, uploadColumns } from '../../listings/image-columns.ts';
import { listedBuilds, listedStatus, listedUploads } from '../../listings/image-rows.ts';
import { type Page, PageUnavailable, page } from './page.ts';

export function imagePages(store: Store, runtime: Runtime): Page[] {
  const images = new Images(store.client, runtime);
  const read = async <T>(list: (images: Images) => Promise<T[]>): Promise<T[]> => {
    // Without a connection the calls would wait for one.
    if (store.client.state !== 'connected') throw new PageUnavailable('there is no connection to ZooKeeper');
    try {
      return await list(images);
    } catch (error) {
      throw new PageUnavailable('ZooKeeper does not answer', error);
    }
  };
  return [
    page('/image-list', async () => ({ columns: uploadColumns(runtime.nowMs()), rows: await read(listedUploads) })),
    page('/dib-image-list', async () => ({ columns: buildColumns(runtime.nowMs()), rows: await read(listedBuilds) })),
    page('/image-status', async () => ({
      columns: imageStatusColumns(runtime.nowMs()),
      rows: await read(listedStatus),
    })),
  ];
}
