/** alien-image-list: images in the clouds that a builder made and no record knows. */
import type { Column } from '../../listings/table.ts';
import type { NodepoolConfig, ProviderConfig } from '../../config/model.ts';
import type { CloudImage } from '../../driver-kit/contract.ts';
import { Calls } from '../../provider/calls.ts';
import { guarded } from '../../provider/guarded-adapter.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Images } from '../../store/transactions/images.ts';
import type { Log } from '../../telemetry/log/log.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { createAdapter } from '../../drivers/catalogue.ts';
import { type OutputFormat, rendered } from '../../listings/format.ts';
import { onStopSignal } from '../../program/process.ts';

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

export async function alienImageList(
  globals: GlobalOptions,
  only: string | undefined,
  format: OutputFormat,
): Promise<void> {
  await withZooKeeper(globals, async (client, config, log) => {
    const providers = [...config.providers.values()].filter(({ name }) => only === undefined || name === only);
    const stop = onStopSignal();
    try {
      // The clouds are read first, so that an image that is uploaded meanwhile has its record by then and counts as known.
      const inClouds = await Promise.all(providers.map((provider) => imagesIn(provider, log, stop.signal)));
      const known = await readyUploads(new Images(client, systemRuntime));
      const aliens = providers.flatMap(({ name: provider }, index) =>
        inClouds[index]!.filter((image) => isOurs(image, provider, config) && !known.has(key(provider, image.id))).map(
          ({ id, name }) => ({ provider, id, name }),
        ),
      );
      console.log(rendered(columns, aliens, format));
    } finally {
      stop.dispose();
    }
  });
}

/** Empty where the driver has no images. A provider that can't be asked is named, and the others are listed all the same. */
async function imagesIn(provider: ProviderConfig, log: Log, signal: AbortSignal): Promise<readonly CloudImage[]> {
  // A metastatic provider has no cloud of its own.
  if (provider.driver === 'metastatic') return [];
  try {
    const adapter = guarded(await createAdapter(provider, systemRuntime, log), new Calls(systemRuntime));
    if (!adapter.listImages) return [];
    await adapter.start(signal);
    try {
      return await adapter.listImages(signal);
    } finally {
      await adapter.stop();
    }
  } catch (error) {
    console.error(`nodepool: provider ${provider.name}: ${(error as Error).message}`);
    return [];
  }
}

/** Whether the image has a builder's mark and is not another provider's: providers may share a cloud. */
function isOurs({ metadata }: CloudImage, provider: string, config: NodepoolConfig): boolean {
  if (!('nodepool_build_id' in metadata)) return false;
  const owner = metadata['nodepool_provider_name'];
  return owner === undefined || owner === provider || !config.providers.has(owner);
}

async function readyUploads(images: Images): Promise<ReadonlySet<string>> {
  const found = await Promise.all(
    (await images.allUploadIds()).map(async (id) => {
      const upload = await images.upload(id);
      return upload?.state === 'ready' && upload.externalId !== null ? [key(id.provider, upload.externalId)] : [];
    }),
  );
  return new Set(found.flat());
}

const key = (provider: string, imageId: string) => JSON.stringify([provider, imageId]);
