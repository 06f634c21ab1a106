/** alien-image-list: images in the clouds that no record knows. A driver that lists no images has none to tell. */
import type { Column } from '../../api/listings/table.ts';
import { withZooKeeper } from '../connection.ts';
import type { GlobalOptions } from '../context.ts';
import { type OutputFormat, rendered } from '../output/format.ts';

interface AlienImage {
  readonly provider: string;
  readonly name: string;
  readonly id: string;
}

const columns: readonly Column<AlienImage>[] = [
  { key: 'provider', header: 'Provider', cell: (image) => image.provider },
  { key: 'name', header: 'Name', cell: (image) => image.name },
  { key: 'image_id', header: 'Image ID', cell: (image) => image.id },
];

export async function alienImageList(o: GlobalOptions, only: string | undefined, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (_client, config) => {
    for (const { name, driver } of config.providers.values()) {
      if (only !== undefined && name !== only) continue;
      console.error(`nodepool: provider ${name}: the driver ${driver} does not list the images of its cloud`);
    }
    console.log(rendered(columns, [], format));
    return Promise.resolve();
  });
}
