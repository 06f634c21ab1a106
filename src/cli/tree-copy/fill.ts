/** Makes a tree hold what a source gives. Every step looks at what is there, so that what was broken off can be repeated. */
import { BadVersionError, MultiError, NodeExistsError, NoNodeError } from '../../zookeeper/client/errors.ts';
import type { MultiOperation, ZooKeeper } from '../../zookeeper/client/types.ts';
import { readIfThere } from '../../store/tree.ts';
import { UserError } from '../user-error.ts';
import { raiseCounter } from './counters.ts';
import { despiteLosses } from './despite-losses.ts';
import type { Difference } from './difference.ts';
import type { TreeEntry, TreeIndex, TreeSource } from './entry.ts';

export interface FillProgress {
  written(count: number): void;
  numbersPassed(count: number): void;
}

const mostOperations = 500;
/** A server takes a megabyte at once (`jute.maxbuffer`). */
const mostBytes = 512 * 1024;
/** Of an operation, besides path and data. */
const overheadBytes = 96;

/** `index` is that of the source, `todo` its difference to the tree of the client. */
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
  /** Whoever may not write there any more could not put anything below it. */
  const closeLater: TreeEntry[] = [];
  let batch: TreeEntry[] = [];
  let bytes = 0;
  const flush = async () => {
    const entries = batch;
    batch = [];
    bytes = 0;
    if (entries.length === 0) return;
    await despiteLosses((attempt) => writeBatch(client, entries, missing, attempt));
    progress.written(entries.length);
  };
  for await (const entry of source) {
    const { path, data, acl } = entry;
    const isLeaf = index.get(path)?.children === 0 && !raised.has(path);
    const closed = acl !== null && missing.has(path);
    if (acls.has(path) || (closed && !isLeaf)) closeLater.push({ ...entry, data: Buffer.alloc(0) });
    if (!wanted.has(path)) continue;
    const size = path.length + data.length + overheadBytes;
    if (batch.length >= mostOperations || bytes + size > mostBytes) await flush();
    batch.push(closed && !isLeaf ? { ...entry, acl: null } : entry);
    bytes += size;
  }
  await flush();
  for (const { path, want } of todo.lowCounters) {
    await raiseCounter(client, path, want, (count) => progress.numbersPassed(count));
  }
  for (const { path, acl } of closeLater.reverse()) {
    await despiteLosses(() => client.setAcl(path, acl ?? openToAll));
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
    // After a lost answer, and for what is to be replaced, the tree is asked.
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
    const meddled = [NodeExistsError, NoNodeError, BadVersionError].some((kind) => error.error instanceof kind);
    if (!meddled) throw new UserError(`${path} can't be written: ${error.error.message}`, 1, error);
    throw new UserError(`somebody else changed ${path} meanwhile; stop whoever it is and repeat the import`, 1, error);
  }
}
