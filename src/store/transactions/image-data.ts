/** All builds and uploads as one document, to be kept in a file and put back into a tree (spec: operations, 2.3). */
import { NodeExistsError, type ZooKeeper } from '@nodepool/zookeeper';
import { Images } from './images.ts';
import { lastName, paths } from '../paths.ts';
import { readIfThere } from './tree.ts';
import type { OwnErrorCode } from '../../base/error-codes.ts';

/** Contents by path. */
export type ImageData = Readonly<Record<string, string>>;

export class ImageDataError extends Error {
  readonly code = 'image-data' satisfies OwnErrorCode;

  constructor(message: string) {
    super(message);
    this.name = 'ImageDataError';
  }
}

const name = '[^/]+';
const exported = new RegExp(
  `^${paths.images}/${name}/(pause|builds/(?!lock$)${name}(/providers/${name}/images/\\d{10})?)$`,
);
const uploadDepth = 10;
const empty = Buffer.alloc(0);
/** Each number below takes a placeholder: beyond this it would be no file of ours. */
const mostNumbers = 10_000_000;
/** Placeholders that are made in one transaction. */
const mostAtOnce = 500;

export async function exportImageData(client: ZooKeeper, images: Images): Promise<ImageData> {
  const data: Record<string, string> = {};
  const put = async (path: string) => {
    const found = await readIfThere(client, path);
    if (found) data[path] = found.data.toString('utf8');
  };
  for (const image of await images.names()) await put(paths.imagePause(image));
  for (const { image, build } of await images.buildIds()) await put(paths.build(image, build));
  for (const { image, build, provider, upload } of await images.allUploadIds()) {
    await put(`${paths.uploads(image, build, provider)}/${upload}`);
  }
  return data;
}

/** Throws ImageDataError for what is no image data; nothing has been written then. For quiet trees only: it takes no locks. */
export async function importImageData(client: ZooKeeper, value: unknown): Promise<void> {
  const data = checked(value);
  for (const [parent, highest] of highestUploads(Object.keys(data))) await passNumber(client, parent, highest, data);
  for (const [path, content] of Object.entries(data)) {
    const bytes = Buffer.from(content);
    await client.ensurePath(path.slice(0, path.lastIndexOf('/')));
    try {
      await client.create(path, bytes);
    } catch (error) {
      if (!(error instanceof NodeExistsError)) throw error;
      await client.set(path, bytes);
    }
  }
}

function checked(value: unknown): ImageData {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ImageDataError('image data is a JSON object of paths and contents');
  }
  for (const [path, content] of Object.entries(value)) {
    if (!exported.test(path) || path.split('/').some((part) => part === '.' || part === '..')) {
      throw new ImageDataError(`${path} is no path of a build, an upload or a pause flag`);
    }
    if (path.split('/').length === uploadDepth && Number(lastName(path)) >= mostNumbers) {
      throw new ImageDataError(`${lastName(path)} in ${path} is no number that ZooKeeper gives`);
    }
    if (typeof content !== 'string') throw new ImageDataError(`the content of ${path} is no string`);
  }
  return value as ImageData;
}

/** By the container of the uploads. */
function highestUploads(all: readonly string[]): Map<string, number> {
  const highest = new Map<string, number>();
  for (const path of all) {
    if (path.split('/').length !== uploadDepth) continue;
    const parent = path.slice(0, path.lastIndexOf('/'));
    highest.set(parent, Math.max(highest.get(parent) ?? 0, Number(lastName(path))));
  }
  return highest;
}

/**
 * ZooKeeper numbers children by the container's counter and does not skip names that are taken: a later upload would fail
 * if the counter were not beyond the highest number that is put back.
 */
async function passNumber(client: ZooKeeper, parent: string, highest: number, data: ImageData): Promise<void> {
  await client.ensurePath(parent);
  let last = -1;
  while (last < highest) {
    // The first one tells where the counter is.
    const count = last < 0 ? 1 : Math.min(mostAtOnce, highest - last);
    const create = { type: 'create', path: `${parent}/`, data: empty, mode: 'persistent-sequential' } as const;
    const results = await client.multi(Array.from({ length: count }, () => create));
    const made = results.flatMap((result) => (result.type === 'create' ? [result.path] : []));
    const spare = made.filter((path) => !(path in data));
    if (spare.length > 0) await client.multi(spare.map((path) => ({ type: 'delete', path })));
    last = Number(lastName(made.at(-1)!));
  }
}
