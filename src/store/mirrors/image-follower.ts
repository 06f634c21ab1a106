/**
 * Changes of disk images, their builds and uploads, for as long as somebody wants to know: a launcher itself mirrors only the
 * uploads, and a watch on everything of the builders is not paid for while nobody listens.
 */
import { parseBuild, parseUpload } from '../../records/image.ts';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { paths } from '../paths.ts';
import { Mirror, type ZooKeeper } from '@nodepool/zookeeper';

type Shown = Readonly<Record<string, unknown>>;

/** `before`, `after`: null where there is none, or none that can be read. */
export type ImageChange = (
  kind: 'image' | 'image-build' | 'image-upload',
  identity: Shown,
  before: Shown | null,
  after: Shown | null,
) => void;

interface Flags {
  readonly paused: boolean;
  readonly build_requested: boolean;
}

const noFlags: Flags = { paused: false, build_requested: false };
const flagNames = new Map<string, keyof Flags>([
  ['pause', 'paused'],
  ['request-build', 'build_requested'],
]);
const retryMs = 1000;

export class ImageFollower {
  /** Resolves when all changes from then on are told; never when it is closed before. */
  readonly ready: Promise<void>;
  private readonly mirror: Mirror<Shown | null>;
  private readonly change: ImageChange;
  private readonly shown = new Map<string, Shown>();
  private readonly flags = new Map<string, Flags>();
  private filled = false;
  private closed = false;

  constructor(client: ZooKeeper, runtime: Runtime, change: ImageChange, onError: (error: unknown) => void) {
    this.change = change;
    this.mirror = new Mirror<Shown | null>({
      client,
      runtime,
      root: paths.images,
      classify,
      parse,
      onChange: (path, entry) => {
        const parts = path.split('/');
        if (parts.length === 2) this.flag(parts[0]!, flagNames.get(parts[1]!)!, entry !== undefined);
        else this.record(path, parts, entry?.value ?? null);
      },
      onSync: () => undefined,
      onError,
    });
    const filling = this.fill(runtime, onError);
    this.ready = new Promise((resolve) => void filling.then((done) => done && resolve()));
  }

  close(): void {
    this.closed = true;
    this.unwatch();
  }

  private unwatch(): void {
    // What can't be removed now ends with the connection.
    void this.mirror.close().catch(() => undefined);
  }

  private async fill(runtime: Runtime, onError: (error: unknown) => void): Promise<boolean> {
    while (!this.closed && !this.filled) {
      try {
        await this.mirror.start();
        this.filled = true;
      } catch (error) {
        if (this.closed) break;
        onError(error);
        await sleep(runtime, retryMs);
      }
    }
    // Closed while the watch was being set: now it can be removed.
    if (this.closed) this.unwatch();
    return !this.closed;
  }

  private flag(image: string, name: keyof Flags, present: boolean): void {
    const before = this.flags.get(image) ?? noFlags;
    const after = { ...before, [name]: present };
    if (after.paused || after.build_requested) this.flags.set(image, after);
    else this.flags.delete(image);
    this.tell('image', { id: image }, { ...before }, after);
  }

  private record(path: string, parts: readonly string[], after: Shown | null): void {
    const before = this.shown.get(path) ?? null;
    if (after) this.shown.set(path, after);
    else this.shown.delete(path);
    const [image, , build] = parts;
    if (parts.length === 3)
      this.tell('image-build', { id: `${image}-${build}`, image, build_id: build }, before, after);
    else this.tell('image-upload', { id: parts[6], image, build_id: build, provider: parts[4] }, before, after);
  }

  private tell(...change: Parameters<ImageChange>): void {
    // What is there already is no change.
    if (this.filled && !this.closed) this.change(...change);
  }
}

/** Below `/nodepool/images`: `<image>/builds/<build>/providers/<provider>/images/<upload>`, and flags of the image. */
function classify(path: string): 'data' | 'name' | 'ignore' {
  const parts = path.split('/');
  if (parts.length === 2) return flagNames.has(parts[1]!) ? 'name' : 'ignore';
  const isRecord = (parts.length === 3 && parts[1] === 'builds') || parts.length === 7;
  return isRecord && parts.at(-1) !== 'lock' ? 'data' : 'ignore';
}

function parse(path: string, data: Buffer): Shown | null {
  if (path.split('/').length === 3) {
    const build = parseBuild(data);
    return build && { state: build.state, builder: build.builder, formats: build.formats };
  }
  const upload = parseUpload(data);
  return upload && { state: upload.state, external_name: upload.externalName, external_id: upload.externalId };
}
