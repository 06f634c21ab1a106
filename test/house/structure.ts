/** The structure of the product's code in figures: rooms, arrows between them, circles, arrows up, and how large its files are. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type IReporterOutput } from 'dependency-cruiser';

interface File {
  /** Path below `src/`; of a package: its name and the path below its own `src/`. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly string[];
}

export interface Structure {
  readonly files: number;
  readonly lines: number;
  readonly medianLines: number;
  readonly above400: readonly string[];
  /** Folders directly in `src/`, and packages. */
  readonly rooms: number;
  readonly arrows: number;
  /** Folders that import one another in a circle, tests left out. */
  readonly circles: readonly (readonly string[])[];
  /** Circles of top rooms with the helpers of tests counted. */
  readonly circlesWithHelpers: readonly (readonly string[])[];
  /** The same arrows between top rooms that run against the order of most. */
  readonly arrowsUp: readonly string[];
  readonly fullest: { readonly folder: string; readonly files: number };
}

const isTest = (path: string) => path.endsWith('.test.ts');
const isHelper = (path: string) => path.includes('/testing/') || path.startsWith('testing/');
const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');

/** Reads `src/` of the checkout in `root`. */
export async function structureOf(root: string): Promise<Structure> {
  const all = await filesOf(root);
  const product = all.filter(({ path }) => !isHelper(path));
  const sizes = product.map(({ lines }) => lines).sort((a, b) => a - b);
  const rooms = arrowsBetween(product, roomOf);
  const roomsWithHelpers = arrowsBetween(all, roomOf);
  return {
    files: product.length,
    lines: sizes.reduce((sum, lines) => sum + lines, 0),
    medianLines: sizes[Math.floor(sizes.length / 2)] ?? 0,
    above400: all.filter(({ lines }) => lines > 400).map(({ path, lines }) => `${path} (${lines})`),
    rooms: new Set(product.map(({ path }) => roomOf(path)).filter(Boolean)).size,
    arrows: [...rooms.values()].reduce((sum, targets) => sum + targets.size, 0),
    circles: circlesOf(arrowsBetween(product, folderOf)),
    circlesWithHelpers: circlesOf(roomsWithHelpers),
    arrowsUp: arrowsUp(roomsWithHelpers),
    fullest: fullest(product),
  };
}

async function filesOf(root: string): Promise<File[]> {
  const { output }: IReporterOutput = await cruise(
    ['src', ...(existsSync(join(root, 'packages')) ? ['packages'] : [])],
    {
      baseDir: root,
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'] },
    },
  );
  if (typeof output === 'string') throw new Error(output);
  // packages/zookeeper/src is the room zookeeper.
  const below = (path: string) => path.replace(/^src\/|^packages\//, '').replace(/^([^/]+)\/src\//, '$1/');
  const inside = (path: string) => /^(src|packages\/[^/]+\/src)\//.test(path);
  return output.modules
    .filter(({ source }) => inside(source) && !isTest(source))
    .map(({ source, dependencies }) => ({
      path: below(source),
      lines: readFileSync(join(root, source), 'utf8').split('\n').length - 1,
      imports: dependencies
        .map(({ resolved }) => resolved)
        .filter(inside)
        .map(below),
    }));
}

type Arrows = Map<string, Set<string>>;

function arrowsBetween(files: readonly File[], place: (path: string) => string): Arrows {
  const arrows: Arrows = new Map();
  for (const { path, imports } of files) {
    const from = place(path);
    for (const target of imports) {
      const to = place(target);
      if (from === to || from === '' || to === '') continue;
      arrows.set(from, (arrows.get(from) ?? new Set()).add(to));
    }
  }
  return arrows;
}

/** Groups of more than one place that reach one another (Tarjan). */
function circlesOf(arrows: Arrows): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (place: string) => {
    order.set(place, order.size);
    low.set(place, order.get(place)!);
    stack.push(place);
    for (const next of arrows.get(place) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(place, Math.min(low.get(place)!, low.get(next)!));
    }
    if (low.get(place) !== order.get(place)) return;
    const circle = stack.splice(stack.indexOf(place));
    if (circle.length > 1) circles.push(circle.sort());
  };
  for (const place of arrows.keys()) if (!order.has(place)) visit(place);
  return circles;
}

/** Inside circles only there is an up: the arrows without which the circle would be none, the thinnest first. */
function arrowsUp(arrows: Arrows): string[] {
  const rest: Arrows = new Map([...arrows].map(([from, to]) => [from, new Set(to)]));
  const up: string[] = [];
  for (let circle = circlesOf(rest)[0]; circle; circle = circlesOf(rest)[0]) {
    const inside = circle.flatMap((from) =>
      [...rest.get(from)!].filter((to) => circle.includes(to)).map((to) => [from, to] as const),
    );
    const weight = (from: string) => [...rest.get(from)!].length;
    const [from, to] = inside.sort(([a], [b]) => weight(a) - weight(b))[0]!;
    rest.get(from)!.delete(to);
    up.push(`${from} → ${to}`);
  }
  return up;
}

function fullest(files: readonly File[]): { folder: string; files: number } {
  const counts = new Map<string, number>();
  for (const { path } of files) counts.set(folderOf(path), (counts.get(folderOf(path)) ?? 0) + 1);
  const [folder, count] = [...counts].filter(([name]) => name !== 'cli/commands').sort(([, a], [, b]) => b - a)[0]!;
  return { folder, files: count };
}
