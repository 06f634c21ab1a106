/** Builds and uploads of disk images, read directly, and what operators do to them (spec: operations, "nodepool"). */
import { encodeImageState, type ImageBuild, type ImageUpload, parseBuild, parseUpload } from '../../records/image.ts';
import type { Runtime } from '../../base/runtime.ts';
import { BadVersionError, NodeExistsError, NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { paths } from '../paths.ts';
import { childrenOf, deleteTree, readIfThere } from './tree.ts';

export interface BuildId {
  readonly image: string;
  readonly build: string;
}

export interface UploadId extends BuildId {
  readonly provider: string;
  readonly upload: string;
}

export interface ImageStatus {
  readonly image: string;
  readonly paused: boolean;
  /** null: nobody has asked for a build. */
  readonly request: { readonly state: 'pending' | 'building'; readonly sinceMs: number } | null;
}

const empty = Buffer.alloc(0);
/** Children of a container that are records. */
const records = (names: readonly string[]) => names.filter((name) => name !== 'lock');

export class Images {
  private readonly client: ZooKeeper;
  private readonly runtime: Pick<Runtime, 'nowMs'>;

  constructor(client: ZooKeeper, runtime: Pick<Runtime, 'nowMs'>) {
    this.client = client;
    this.runtime = runtime;
  }

  names(): Promise<readonly string[]> {
    return childrenOf(this.client, paths.images);
  }

  async buildIds(): Promise<readonly BuildId[]> {
    const ofImages = (await this.names()).map(async (image) =>
      records(await childrenOf(this.client, paths.builds(image))).map((build) => ({ image, build })),
    );
    return (await Promise.all(ofImages)).flat();
  }

  providersOf({ image, build }: BuildId): Promise<readonly string[]> {
    return childrenOf(this.client, paths.buildProviders(image, build));
  }

  async uploadIds(id: BuildId, provider: string): Promise<readonly UploadId[]> {
    const uploads = records(await childrenOf(this.client, paths.uploads(id.image, id.build, provider)));
    return uploads.map((upload) => ({ ...id, provider, upload }));
  }

  async allUploadIds(): Promise<readonly UploadId[]> {
    const ofBuilds = (await this.buildIds()).map(async (id) =>
      Promise.all((await this.providersOf(id)).map((provider) => this.uploadIds(id, provider))),
    );
    return (await Promise.all(ofBuilds)).flat(2);
  }

  /** null for one that is not there or can't be read. */
  async build(id: BuildId): Promise<ImageBuild | null> {
    const found = await readIfThere(this.client, paths.build(id.image, id.build));
    return found && parseBuild(found.data);
  }

  /** null for one that is not there or can't be read. */
  async upload(id: UploadId): Promise<ImageUpload | null> {
    const found = await readIfThere(this.client, uploadPath(id));
    return found && parseUpload(found.data);
  }

  async isPaused(image: string): Promise<boolean> {
    return (await this.client.exists(paths.imagePause(image))) !== null;
  }

  async status(image: string): Promise<ImageStatus> {
    const [paused, asked] = await Promise.all([this.isPaused(image), this.client.exists(paths.buildRequest(image))]);
    if (!asked) return { image, paused, request: null };
    const state = (await this.isBuilding(image)) ? 'building' : 'pending';
    return { image, paused, request: { state, sinceMs: Number(asked.ctime) } };
  }

  /** Somebody holds the image's lock, and there is a build that is newer than the lock. */
  private async isBuilding(image: string): Promise<boolean> {
    const lock = await this.client.exists(paths.buildLock(image));
    if (!lock || lock.numChildren === 0) return false;
    const builds = records(await childrenOf(this.client, paths.builds(image)));
    const stats = await Promise.all(builds.map((build) => this.client.exists(paths.build(image, build))));
    return stats.some((stat) => stat !== null && stat.czxid > lock.czxid);
  }

  /** Fails with NoNodeError for an image that ZooKeeper does not know yet. */
  async pause(image: string): Promise<void> {
    await this.client.create(paths.imagePause(image), empty).catch(ignore(NodeExistsError));
  }

  async unpause(image: string): Promise<void> {
    await this.client.delete(paths.imagePause(image)).catch(ignore(NoNodeError));
  }

  async requestBuild(image: string): Promise<void> {
    await this.client.ensurePath(paths.buildRequest(image));
  }

  /** Builders remove what is `deleting`. Refused while it is being built. */
  deleteBuild({ image, build }: BuildId): Promise<'done' | 'gone' | 'busy'> {
    return this.markDeleting(paths.build(image, build), parseBuild, 'building');
  }

  deleteUpload(id: UploadId): Promise<'done' | 'gone' | 'busy'> {
    return this.markDeleting(uploadPath(id), parseUpload, 'uploading');
  }

  /** Without a lock, as agreed with the builders (spec: ZooKeeper data model, 9.4); the version tells whether one was quicker. */
  private async markDeleting(
    path: string,
    parse: (data: Uint8Array) => ImageBuild | ImageUpload | null,
    busy: string,
  ): Promise<'done' | 'gone' | 'busy'> {
    for (;;) {
      const found = await readIfThere(this.client, path);
      const image = found && parse(found.data);
      if (!image) return 'gone';
      if (image.state === busy) return 'busy';
      try {
        await this.client.set(path, encodeImageState(image, 'deleting', this.runtime.nowMs()), found.stat.version);
        return 'done';
      } catch (error) {
        if (error instanceof NoNodeError) return 'gone';
        if (!(error instanceof BadVersionError)) throw error;
      }
    }
  }

  /** The records of all uploads to the provider; what is in its cloud stays there. */
  async eraseProvider(provider: string): Promise<void> {
    for (const id of await this.buildIds()) {
      if (!(await this.providersOf(id)).includes(provider)) continue;
      await deleteTree(this.client, `${paths.buildProviders(id.image, id.build)}/${provider}`);
    }
  }
}

const uploadPath = ({ image, build, provider, upload }: UploadId): string =>
  `${paths.uploads(image, build, provider)}/${upload}`;

function ignore(expected: typeof NodeExistsError | typeof NoNodeError): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof expected)) throw error;
  };
}
