/** The image of a label of virtual machines: one that the cloud has, or one that is uploaded. */
import { connectionOf, referTo, type Section } from '../loading.ts';
import type { DiskImageConfig, DriverLoadContext, PoolLabelConfig } from '../../config/model.ts';

interface Connection {
  readonly 'connection-type': string;
  readonly 'connection-port'?: number | undefined;
  readonly 'python-path'?: string | undefined;
  readonly 'shell-type'?: string | undefined;
  readonly username?: string | undefined;
}

export interface CloudImage extends Connection {
  readonly name?: string | undefined;
}

export interface UploadedImage extends Connection {
  readonly name: string;
}

interface ProviderImages {
  readonly 'cloud-images': readonly CloudImage[];
  readonly diskimages: readonly UploadedImage[];
}

interface ImageReferences {
  readonly 'cloud-image'?: string | undefined;
  readonly diskimage?: string | undefined;
}

/** Tells the context of images that have no name, or that are not at the top level. */
export function checkProviderImages(p: ProviderImages, context: Pick<DriverLoadContext, 'error' | 'diskimages'>): void {
  for (const [index, image] of p['cloud-images'].entries()) {
    if (image.name === undefined) context.error(['cloud-images', index], 'name is required');
  }
  for (const [index, image] of p.diskimages.entries()) {
    referTo(context.diskimages, image.name, 'diskimage at the top level', ['diskimages', index, 'name'], context);
  }
}

/** The image of a label, and how nodes of it are reached. Where a label has both, the disk image counts. */
export function imageOfLabel(
  label: ImageReferences,
  p: ProviderImages,
  { path, context }: Section,
): Pick<PoolLabelConfig, 'image' | 'connection'> {
  const cloudImages = new Map(p['cloud-images'].map((image) => [image.name ?? '', image]));
  const uploads = new Map(p.diskimages.map((image) => [image.name, image]));
  const cloudImage = referTo(cloudImages, label['cloud-image'], 'cloud-image', [...path, 'cloud-image'], context);
  const what = 'diskimage in this provider';
  const diskimage = referTo(uploads, label.diskimage, what, [...path, 'diskimage'], context);
  if (diskimage) {
    return {
      image: { kind: 'diskimage', name: diskimage.name },
      connection: connectionOf(withDefaults(diskimage, context.diskimages.get(diskimage.name))),
    };
  }
  return {
    image: cloudImage ? { kind: 'cloud', name: cloudImage.name ?? '' } : null,
    connection: connectionOf(cloudImage ?? { 'connection-type': 'ssh', 'python-path': 'auto' }),
  };
}

const withDefaults = (upload: UploadedImage, image: DiskImageConfig | undefined): Connection => ({
  ...upload,
  username: upload.username ?? image?.username,
});
