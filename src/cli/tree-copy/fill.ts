/** Makes a tree hold what a source gives. Every step looks at what is there, so that a broken import can be repeated. */
import {
  BadVersionError,
  MultiError,
  type MultiOperation,
  NoAuthError,
  NodeExistsError,
  NoNodeError,
  type ZooKeeper,
} from '@nodepool/zookeeper';
import { isUnknownOutcome } from '../../store/transactions/unknown-outcome.ts';
import { readIfThere } from '../../store/transactions/tree.ts';
import { UserError } from '../../base/user-error.ts';
import { raiseCounter } from './counters.ts';
import { despiteLosses } from './despite-losses.ts';
import type { Difference } from './difference.ts';
import type { TreeEntry, TreeIndex, TreeSource } from './entry.ts';
import { sizeOf } from './sizes.ts';

export interface FillProgress {
  written(count: number): void;
  numbersPassed(count: number): void;
}

const mostOperations = 500;
/** Most bytes of one transaction, well below the megabyte that a server takes at once (`jute.maxbuffer`). */
const mostBytes = 512 * 1024;
const empty = Buffer.alloc(0);

/** A znode that gets its access list, and before that its data, once everything below it is there. */
interface Closing {
  readonly path: string;
  /** null: the znode has its data already. */
  readonly data: Buffer | null;
  readonly acl: TreeEntry['acl'];
}

/** `index` is the source's index, `todo` its difference to the tree of the client. */
export async function fillTree(
  client: ZooKeeper,
  source: TreeSource,
  index: TreeIndex,
  todo: Difference,
  progress: FillProgress,
): Promise<void> {
  const missing = new Set(todo.missing);
  const wanted = new Set([...missing, ...todo.changed]);
  const raised = new Set(todo.lowCounters.map(({ path }) => path));
  const acls = new Set(todo.acl);
  /**
   * Access lists come last, because they may forbid us to put anything below their znodes. Until then a secret znode is empty,
   * or as it was, so that nobody reads what is not for everybody.
   */
  const closeLater: Closing[] = [];
  let batch: TreeEntry[] = [];
  let bytes = 0;
  const flush = async () => {
    const entries = batch;
    batch = [];
    bytes = 0;
    if (entries.length === 0) return;
    await despiteLosses((attempt) => writeBatch(client, entries, missing, attempt)).catch((error: unknown) => {
      throw explained(error, entries);
    });
    progress.written(entries.length);
  };
  for await (const entry of source) {
    const { path, data, acl } = entry;
    const isLeaf = index.get(path)?.children === 0 && !raised.has(path);
    const closed = acls.has(path) || (acl !== null && missing.has(path) && !isLeaf);
    const isWanted = wanted.has(path);
    const isSecret = closed && acl !== null;
    if (closed) closeLater.push({ path, data: isWanted && isSecret ? data : null, acl });
    // A secret znode that exists gets both its data and its access list at the end.
    if (!isWanted || (isSecret && !missing.has(path))) continue;
    const now = isSecret ? { ...entry, data: empty, acl: null } : entry;
    const size = sizeOf(path, now.data.length);
    if (batch.length >= mostOperations || bytes + size > mostBytes) await flush();
    batch.push(now);
    bytes += size;
  }
  await flush();
  for (const { path, want } of todo.lowCounters) {
    await raiseCounter(client, path, want, (count) => progress.numbersPassed(count));
  }
  for (const closing of closeLater.reverse()) {
    await despiteLosses((attempt) => close(client, closing, attempt)).catch((error: unknown) => {
      throw explained(error, [{ ...closing, data: closing.data ?? empty }]);
    });
    if (closing.data !== null && !missing.has(closing.path)) progress.written(1);
  }
}

/**
 * Writes the data, then the access list. Between the two steps whoever could read the znode before may read the data. They are
 * not sent together: if only the first were lost with the connection, nobody could write the data any more.
 */
async function close(client: ZooKeeper, { path, data, acl }: Closing, attempt: number): Promise<void> {
  const found = data === null ? null : await readUnlessClosed(client, path, attempt);
  if (found === 'closed') return;
  if (data !== null && !found) throw meddled(path);
  if (data !== null && found !== null && !found.data.equals(data)) {
    await client.set(path, data, found.stat.version).catch((error: unknown) => {
      throw error instanceof BadVersionError ? meddled(path, error) : error;
    });
  }
  await client.setAcl(path, acl ?? openToAll);
}

/** 'closed': the access list of an earlier attempt is in force, whose answer was lost, and so are the data written before it. */
async function readUnlessClosed(client: ZooKeeper, path: string, attempt: number) {
  try {
    return await readIfThere(client, path);
  } catch (error) {
    if (attempt > 1 && error instanceof NoAuthError) return 'closed';
    throw error;
  }
}

const openToAll = [{ perms: 31, scheme: 'world', id: 'anyone' }] as const;

async function writeBatch(
  client: ZooKeeper,
  entries: readonly TreeEntry[],
  missing: ReadonlySet<string>,
  attempt: number,
): Promise<void> {
  const operations: MultiOperation[] = [];
  for (const { path, data, acl } of entries) {
    // The tree is asked after a lost answer, and for a znode that is to be replaced.
    const found = attempt > 1 || !missing.has(path) ? await readIfThere(client, path) : null;
    if (!found) operations.push({ type: 'create', path, data, ...(acl === null ? {} : { acl }) });
    else if (!found.data.equals(data)) operations.push({ type: 'set', path, data, version: found.stat.version });
  }
  if (operations.length === 0) return;
  try {
    await client.multi(operations);
  } catch (error) {
    if (!(error instanceof MultiError)) throw error;
    const path = operations[error.index]?.path ?? '';
    const isMeddled = [NodeExistsError, NoNodeError, BadVersionError].some((kind) => error.error instanceof kind);
    if (isMeddled) throw meddled(path, error);
    const hint = sizeHint(entries.find((entry) => entry.path === path));
    throw new UserError(`${path} can't be written: ${error.error.message}${hint}`, 1, error);
  }
}

function meddled(path: string, cause?: unknown): UserError {
  return new UserError(`somebody else changed ${path} meanwhile; stop whoever it is and repeat the import`, 1, cause);
}

/** Names the large document behind a lost connection: a server breaks the connection whenever it gets too much at once. */
function explained(error: unknown, entries: readonly TreeData[]): unknown {
  const large = entries.find((entry) => sizeHint(entry) !== '');
  if (!isUnknownOutcome(error) || !large) return error;
  return new UserError(`${large.path} can't be written: ${error.message}${sizeHint(large)}`, 1, error);
}

type TreeData = Pick<TreeEntry, 'path' | 'data'>;

function sizeHint(entry: TreeData | undefined): string {
  if (!entry || sizeOf(entry.path, entry.data.length) <= mostBytes) return '';
  return `; are its ${entry.data.length} bytes larger than the server takes (jute.maxbuffer)?`;
}
