/** coordinator-import: makes a tree hold what a file or another tree holds, or says what that would change. */
import { systemRuntime } from '../../base/runtime.ts';
import { NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import type { GlobalOptions } from '../../program/context.ts';
import type { OutputFormat } from '../../listings/format.ts';
import { type Difference, difference, isEqual } from '../tree-copy/difference.ts';
import { indexTree, isWithin, type TreeEntry, type TreeIndex, type TreeSource } from '../tree-copy/entry.ts';
import { fillTree } from '../tree-copy/fill.ts';
import { NoTreeYet, type OpenTree, withTree } from '../tree-copy/open-tree.ts';
import { refuseParticipants } from '../tree-copy/participants.ts';
import { Progress } from '../tree-copy/progress.ts';
import { compared, differenceReport, examples, planned } from '../tree-copy/report.ts';
import { isTooLarge } from '../tree-copy/sizes.ts';
import { readHead, readTreeFile } from '../tree-copy/tree-file.ts';
import { counted, walkTree } from '../tree-copy/walk.ts';
import { UserError, usageStatus } from '../../base/user-error.ts';

export interface ImportOptions {
  /** Configuration of the tree to copy from, instead of a file. */
  readonly fromConfig?: string;
  readonly fromSecure?: string;
  readonly root?: string;
  readonly dryRun?: boolean;
  readonly compare?: boolean;
  readonly merge?: boolean;
  readonly allowRunning?: boolean;
  readonly format: OutputFormat;
}

interface Origin {
  /** The origin in words. */
  readonly where: string;
  readonly root: string;
  /** Reads the origin from its beginning; called several times. */
  readonly read: () => TreeSource;
}

/** Most numbers by which counters are raised: they are passed one by one, some fifty thousand in a second. */
const mostNumbers = 100_000_000;

/** Returns the status: 1 where `--compare` finds a difference, `--dry-run` an obstacle. */
export function coordinatorImport(
  globals: GlobalOptions,
  file: string | undefined,
  options: ImportOptions,
): Promise<number> {
  if ((file === undefined) === (options.fromConfig === undefined)) {
    throw new UserError('name either a file or --from-config', usageStatus);
  }
  if (file !== undefined) return importFile(globals, file, options);
  const other = withConfig(globals, options.fromConfig!, options.fromSecure);
  return withTree(other, false, async (from) => {
    if (!options.compare && !options.allowRunning) await refuseParticipants(from);
    const root = options.root ?? '/';
    return intoTree(globals, { where: from.where, root, read: () => walkTree(from.client, { root }) }, options);
  });
}

/** The same options for another configuration. A secure file belongs to one configuration, so it is replaced too. */
function withConfig(globals: GlobalOptions, config: string, secure: string | undefined): GlobalOptions {
  const other: { -readonly [Key in keyof GlobalOptions]: GlobalOptions[Key] } = { ...globals, config };
  delete other.secure;
  return secure === undefined ? other : { ...other, secure };
}

async function importFile(globals: GlobalOptions, file: string, options: ImportOptions): Promise<number> {
  const head = await readHead(file);
  const root = options.root ?? head.root;
  if (!isWithin(root, head.root)) throw new UserError(`the file holds ${head.root} only, not ${root}`);
  const read = () => below(readTreeFile(file), root, head.root);
  return intoTree(globals, { where: file, root, read }, options);
}

async function* below(source: TreeSource, root: string, from: string): AsyncGenerator<TreeEntry> {
  for await (const entry of source) if (root === from || isWithin(entry.path, root)) yield entry;
}

async function intoTree(
  globals: GlobalOptions,
  { where, root, read }: Origin,
  options: ImportOptions,
): Promise<number> {
  const reading = new Progress(systemRuntime, 'znodes to copy');
  // The whole file is read before the tree is opened, so that half a file changes nothing.
  const index = await indexTree(read(), () => reading.add(1));
  if (root !== '/' && !index.has(root)) throw new UserError(`there is no ${root} in ${where}`);
  const work = (tree: OpenTree | null) =>
    options.compare ? compare(tree, root, index, options) : put(tree, { root, read }, index, options);
  return withTree(globals, !options.compare && !options.dryRun, work).catch((error: unknown) => {
    // Neither a dry run nor a comparison makes a data directory: one without data counts as an empty tree.
    if (error instanceof NoTreeYet) return work(null);
    throw error;
  });
}

async function compare(tree: OpenTree | null, root: string, index: TreeIndex, options: ImportOptions): Promise<number> {
  const found = difference(index, await indexOf(tree, root, null));
  console.log(differenceReport(found, compared, options.format));
  return isEqual(found) ? 0 : 1;
}

async function put(
  tree: OpenTree | null,
  { root, read }: Pick<Origin, 'root' | 'read'>,
  index: TreeIndex,
  options: ImportOptions,
): Promise<number> {
  const scope = root === '/' ? index : null;
  const todo = difference(index, await indexOf(tree, root, scope));
  const obstacles = await obstaclesTo(tree, todo, options);
  warnOfLarge(todo, index);
  if (tree === null || options.dryRun) {
    console.log(differenceReport(todo, planned, options.format));
    for (const obstacle of obstacles) console.error(`nodepool: ${obstacle}`);
    return obstacles.length === 0 ? 0 : 1;
  }
  if (obstacles.length > 0) throw new UserError(obstacles.join('\n'));
  await makeRoot(tree.client, root);
  await fillTree(tree.client, read(), index, todo, progressOf(todo));
  const left = difference(index, await indexOf(tree, root, scope));
  console.log(differenceReport(left, compared, options.format));
  if (isEqual({ ...left, extra: [] })) return 0;
  throw new UserError('the tree differs from what was imported: somebody else is changing it');
}

/** `scope`: only the top-level subtrees that it has are read, and other trees beside them are left alone. */
async function indexOf(tree: OpenTree | null, root: string, scope: TreeIndex | null): Promise<TreeIndex> {
  if (tree === null) return new Map();
  const progress = new Progress(systemRuntime, 'znodes compared');
  const tops = scope === null ? [root] : [...scope.keys()].filter((path) => path.lastIndexOf('/') === 0);
  const all = async function* () {
    for (const top of tops) yield* counted(walkTree(tree.client, { root: top }), progress);
  };
  return indexTree(all());
}

async function obstaclesTo(tree: OpenTree | null, todo: Difference, options: ImportOptions): Promise<string[]> {
  const found: string[] = [];
  if (tree && !options.allowRunning) {
    await refuseParticipants(tree).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      found.push(error.message);
    });
  }
  const taken = [...todo.changedDocuments, ...todo.extraDocuments];
  if (tree && !options.merge && taken.length > 0) {
    const lines = [
      `${tree.where} holds a tree of its own already, with ${taken.length} other documents:`,
      ...examples(taken),
      '--merge keeps what only it has and replaces what differs',
    ];
    found.push(lines.join('\n'));
  }
  const numbers = numbersOf(todo);
  if (numbers > mostNumbers) {
    found.push(`counters would have to be raised by ${numbers}, more than ${mostNumbers}: is this a file of yours?`);
  }
  return found;
}

/** Large documents are no obstacle, only a warning: a server cannot be asked how much it takes. */
function warnOfLarge({ missing, changed }: Difference, index: TreeIndex): void {
  const large = [...missing, ...changed].filter((path) => isTooLarge(path, index.get(path)!.bytes));
  if (large.length === 0) return;
  const said = `${large.length} documents are larger than a server takes, unless its jute.maxbuffer has been raised:`;
  console.error([`nodepool: ${said}`, ...examples(large)].join('\n'));
}

function progressOf(todo: Difference) {
  const znodes = new Progress(systemRuntime, 'znodes written', todo.missing.length + todo.changed.length);
  const numbers = new Progress(systemRuntime, 'numbers passed', numbersOf(todo));
  return { written: (count: number) => znodes.add(count), numbersPassed: (count: number) => numbers.add(count) };
}

const numbersOf = ({ lowCounters }: Difference) => lowCounters.reduce((sum, { have, want }) => sum + want - have, 0);

/** Makes the chroot, which is not there before its first use, and the znodes above a subtree. */
async function makeRoot(client: ZooKeeper, root: string): Promise<void> {
  try {
    if (!(await client.exists('/'))) await client.create('/', new Uint8Array());
  } catch (error) {
    if (!(error instanceof NoNodeError)) throw error;
    throw new UserError('the znode above the chroot of zookeeper-servers is not there; make it first', 1, error);
  }
  const parent = root.slice(0, root.lastIndexOf('/'));
  if (parent !== '') await client.ensurePath(parent);
}
