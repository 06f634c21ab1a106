/** Typed mirrors of Nodepool's tree in one place, filled and kept by persistent watches. Writes are in transactions/. */
import type { Logger } from '../../base/logger.ts';
import type { BrokenRecord } from '../../records/broken.ts';
import { parseUpload } from '../../records/image.ts';
import { parseNode } from '../../records/node.ts';
import { parseRequest } from '../../records/request.ts';
import type { Runtime } from '../../base/runtime.ts';
import { Mirror, type MirrorEntry, type MirrorOptions, type ZooKeeper } from '@nodepool/zookeeper';
import { Listeners } from './listeners.ts';
import { paths } from '../paths.ts';
import { ComponentView, ImageView, NodeView, RequestLockView, RequestView } from './views.ts';

export type { NodeEntry, NodeView } from './views.ts';

export interface StoreOptions {
  readonly client: ZooKeeper;
  readonly runtime: Runtime;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}

export class Store {
  readonly client: ZooKeeper;
  readonly runtime: Runtime;
  readonly nodes: NodeView;
  readonly requests: RequestView;
  readonly requestLocks: RequestLockView;
  readonly components: ComponentView;
  readonly images: ImageView;
  private readonly log: StoreOptions['log'];
  private readonly mirrors: Pick<Mirror<unknown>, 'start' | 'synced' | 'close'>[] = [];
  private readonly syncListeners: Listeners<[boolean]>;
  private wasSynced = false;

  private constructor(o: StoreOptions) {
    this.client = o.client;
    this.runtime = o.runtime;
    this.log = o.log;
    const onError = (error: unknown) => this.log.error({ err: error }, 'A listener of the store failed');
    const onBroken = (path: string, record: BrokenRecord) =>
      this.log.warn(
        { path, reason: record.reason, detail: record.message },
        'A document cannot be read and is skipped',
      );
    this.syncListeners = new Listeners(onError);
    this.nodes = new NodeView(onBroken, onError);
    this.requests = new RequestView(onBroken, onError);
    this.requestLocks = new RequestLockView(onError);
    this.components = new ComponentView(onError);
    this.images = new ImageView(onError);
  }

  /** Resolves when all mirrors are filled. */
  static async open(o: StoreOptions): Promise<Store> {
    const store = new Store(o);
    const { nodes, requests, requestLocks, components, images } = store;
    requestLocks.mirror = store.mirror(paths.requestLocks, requestLocks, {
      classify: RequestLockView.classify,
      parse: () => null,
    });
    requests.mirror = store.mirror(paths.requests, requests, {
      classify: (path) => (path.includes('/') ? 'ignore' : 'data'),
      parse: parseRequest,
    });
    nodes.mirror = store.mirror(paths.nodes, nodes, {
      classify: NodeView.classify,
      childrenOf: NodeView.childrenOf,
      parse: parseNode,
    });
    components.mirror = store.mirror(paths.components, components, ComponentView);
    images.mirror = store.mirror(paths.images, images, {
      classify: ImageView.classify,
      parse: (_path, data) => parseUpload(data),
    });
    await Promise.all(store.mirrors.map((mirror) => mirror.start()));
    return store;
  }

  /** False from the loss of a connection until all mirrors have caught up; nothing may be decided then. */
  get synced(): boolean {
    return this.mirrors.every((mirror) => mirror.synced);
  }

  /** Called with true when the mirrors have caught up, with false when they may be behind. */
  onSync(listener: (synced: boolean) => void): () => void {
    return this.syncListeners.add(listener);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.mirrors.map((mirror) => mirror.close()));
  }

  private mirror<T>(
    root: string,
    view: { apply(path: string, entry: MirrorEntry<T> | null | undefined): void },
    tree: Pick<MirrorOptions<T>, 'classify' | 'childrenOf' | 'parse'>,
  ): Mirror<T> {
    const { classify, childrenOf, parse } = tree;
    const mirror = new Mirror<T>({
      client: this.client,
      runtime: this.runtime,
      root,
      classify,
      parse,
      ...(childrenOf ? { childrenOf } : {}),
      onChange: (path, entry) => view.apply(path, entry),
      onSync: () => {
        const { synced } = this;
        if (synced === this.wasSynced) return;
        this.wasSynced = synced;
        this.syncListeners.call(synced);
      },
      onError: (error) => this.log.error({ root, err: error }, 'Mirroring the tree failed, reading it again'),
    });
    this.mirrors.push(mirror);
    return mirror;
  }
}
