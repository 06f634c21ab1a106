/** Disk images: checks their names and parents, and merges the values of parents into them. */
import type { ConfigDocument } from './document.ts';
import type { GlobalConfig } from './global-schema.ts';
import type { DiskImageConfig } from './model.ts';
import { didYouMean } from './suggest.ts';

type Image = GlobalConfig['diskimages'][number];

/** Tells what config-validate refuses: names that are taken, parents that are not there. */
export function checkImages(images: readonly Image[], found: Pick<ConfigDocument, 'error'>): void {
  const names = new Set<string>();
  for (const [index, { name }] of images.entries()) {
    if (names.has(name)) found.error(['diskimages', index, 'name'], `diskimage ${name} is defined twice`);
    names.add(name);
  }
  for (const [index, { parent }] of images.entries()) {
    if (parent === '' || names.has(parent)) continue;
    found.error(['diskimages', index, 'parent'], `there is no diskimage ${parent}${didYouMean(parent, names)}`);
  }
}

type Tell = (path: readonly PropertyKey[], message: string) => void;

/** The images that are not abstract, with their parents' values. `error` is told of images that are their own ancestors. */
export function resolveImages(images: readonly Image[], error: Tell): Map<string, DiskImageConfig> {
  const all = new Map(images.map((image) => [image.name, image]));
  const resolved = new Map<string, DiskImageConfig>();
  for (const [index, image] of images.entries()) {
    const generations = lineage(image, all);
    if (!generations) {
      error(['diskimages', index, 'parent'], `${image.parent} has this image among its own parents`);
      continue;
    }
    if (!image.abstract && all.get(image.name) === image) resolved.set(image.name, merge(image, generations));
  }
  return resolved;
}

/** The image behind its ancestors, the eldest first; null where the image is its own ancestor. */
function lineage(image: Image, all: ReadonlyMap<string, Image>): Image[] | null {
  const generations: Image[] = [];
  for (let at: Image | undefined = image; at; at = all.get(at.parent)) {
    if (generations.includes(at)) return null;
    generations.unshift(at);
  }
  return generations;
}

function merge(image: Image, generations: readonly Image[]): DiskImageConfig {
  const youngest = <K extends keyof Image>(key: K, given: (value: Image[K]) => boolean = Boolean) =>
    generations.findLast((one) => given(one[key]))?.[key];
  const filled = (value: readonly unknown[]) => value.length > 0;
  return {
    name: image.name,
    username: youngest('username') ?? 'zuul',
    pythonPath: youngest('python-path') ?? 'auto',
    shellType: youngest('shell-type') ?? null,
    elements: generations.flatMap(({ elements }) => elements),
    envVars: Object.assign({}, ...generations.map((one) => one['env-vars'])) as Record<string, string>,
    metadata: image.metadata,
    formats: youngest('formats', filled) ?? [],
    keepFormats: youngest('keep-formats', filled) ?? [],
    deleteAfterUpload: youngest('delete-after-upload', (value) => value !== undefined) ?? false,
    pause: generations.some(({ pause }) => pause),
    rebuildAgeMs: (youngest('rebuild-age') ?? 86_400) * 1000,
    buildTimeoutMs: (youngest('build-timeout') ?? 28_800) * 1000,
    release: String(youngest('release') ?? ''),
    dibCommand: youngest('dib-cmd') ?? 'disk-image-create',
  };
}
