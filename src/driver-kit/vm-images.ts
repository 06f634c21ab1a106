/** What the drivers of virtual machines do alike with the images of their labels. */
import { connectionOf, referTo } from './driver-parts.ts';
import type { DiskImageConfig, DriverLoadContext, PoolLabelConfig } from '../config/model.ts';

interface Connection {
  readonly 'connection-type': string;
  readonly 'connection-port'?: number | undefined;
  readonly 'python-path'?: string | undefined;
  readonly 'shell-type'?: string | undefined;
  readonly username?: string | undefined;
}

interface CloudImage extends Connection {
  readonly name?: string | undefined;
}

interface UploadedImage extends Connection {
  readonly name: string;
}

interface ProviderImages<C extends CloudImage, D extends UploadedImage> {
  readonly 'cloud-images': readonly C[];
  readonly diskimages: readonly D[];
}

interface ImageReferences {
  readonly 'cloud-image'?: string | undefined;
  readonly diskimage?: string | undefined;
}

interface LabelImage<C, D> {
  readonly cloudImage: C | null;
  readonly diskimage: D | null;
  readonly image: PoolLabelConfig['image'];
  readonly connection: PoolLabelConfig['connection'];
}

/** Tells the context of images that have no name, or that are not at the top level. */
export function checkProviderImages(
  p: ProviderImages<CloudImage, UploadedImage>,
  context: Pick<DriverLoadContext, 'error' | 'diskimages'>,
): void {
  for (const [index, image] of p['cloud-images'].entries()) {
    if (image.name === undefined) context.error(['cloud-images', index], 'name is required');
  }
  for (const [index, image] of p.diskimages.entries()) {
    referTo(context.diskimages, image.name, 'diskimage at the top level', ['diskimages', index, 'name'], context);
  }
}

/** The image of a label, where both are given the disk image. */
export function imageOfLabel<C extends CloudImage, D extends UploadedImage>(
  l: ImageReferences,
  p: ProviderImages<C, D>,
  path: readonly PropertyKey[],
  context: DriverLoadContext,
): LabelImage<C, D> {
  const cloudImages = new Map(p['cloud-images'].map((image) => [image.name ?? '', image]));
  const uploads = new Map(p.diskimages.map((image) => [image.name, image]));
  const cloudImage = referTo(cloudImages, l['cloud-image'], 'cloud-image', [...path, 'cloud-image'], context) ?? null;
  const what = 'diskimage in this provider';
  const diskimage = referTo(uploads, l.diskimage, what, [...path, 'diskimage'], context) ?? null;
  if (diskimage) {
    return {
      cloudImage,
      diskimage,
      image: { kind: 'diskimage', name: diskimage.name },
      connection: connectionOf(withDefaults(diskimage, context.diskimages.get(diskimage.name))),
    };
  }
  return {
    cloudImage,
    diskimage,
    image: cloudImage ? { kind: 'cloud', name: cloudImage.name ?? '' } : null,
    connection: connectionOf(cloudImage ?? { 'connection-type': 'ssh', 'python-path': 'auto' }),
  };
}

const withDefaults = (upload: UploadedImage, image: DiskImageConfig | undefined): Connection => ({
  ...upload,
  username: upload.username ?? image?.username,
});
