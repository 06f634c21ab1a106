/** coordinator-export: everything in a tree that outlives sessions, in a file. */
import { systemRuntime } from '../../base/runtime.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type OutputFormat, structured } from '../../listings/format.ts';
import { onStopSignal, signalStatus } from '../../program/process.ts';
import { type OpenTree, withTree } from '../tree-copy/open-tree.ts';
import { refuseParticipants } from '../tree-copy/participants.ts';
import { Progress } from '../tree-copy/progress.ts';
import { examples } from '../tree-copy/report.ts';
import { type Changes, watched } from '../tree-copy/steady.ts';
import { writeTreeFile } from '../tree-copy/tree-file.ts';
import { counted, walkTree } from '../tree-copy/walk.ts';
import { UserError } from '../../base/user-error.ts';
import { version } from '../../program/version.ts';

export interface ExportOptions {
  readonly root: string;
  readonly allowRunning?: boolean;
  readonly format: OutputFormat;
}

export async function coordinatorExport(globals: GlobalOptions, file: string, options: ExportOptions): Promise<void> {
  const stop = onStopSignal();
  try {
    await exportTree(globals, file, options, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    throw new UserError('interrupted', signalStatus(await stop.received), error);
  } finally {
    stop.dispose();
  }
}

async function exportTree(
  globals: GlobalOptions,
  file: string,
  options: ExportOptions,
  signal: AbortSignal,
): Promise<void> {
  await withTree(globals, false, async (tree) => {
    const allowed = options.allowRunning ?? false;
    if (!allowed) await refuseParticipants(tree);
    if (!(await tree.client.exists(options.root))) throw new UserError(`there is no ${options.root} in ${tree.where}`);
    const leftOut: string[] = [];
    const { znodes, changes } = await watched(tree.client, options.root, async (seen) => {
      const written = await write(tree, { file, root: options.root, leftOut, strict: allowed ? null : seen, signal });
      return { znodes: written, changes: seen };
    });
    report(file, znodes, leftOut, changes.count, options.format);
  });
}

interface Writing {
  readonly file: string;
  readonly root: string;
  /** Gets the paths that are left out. */
  readonly leftOut: string[];
  /** The changes that make the file worthless, so that it is not kept; null: changes are allowed. */
  readonly strict: Changes | null;
  readonly signal: AbortSignal;
}

async function write({ client, where }: OpenTree, w: Writing): Promise<number> {
  const { file, root, leftOut, strict, signal } = w;
  const progress = new Progress(systemRuntime, 'znodes read');
  const head = { root, taken: new Date(systemRuntime.nowMs()).toISOString(), by: version };
  const source = async function* () {
    yield* counted(walkTree(client, { root, onLeftOut: (path) => leftOut.push(path) }), progress);
    if (!strict) return;
    await client.sync(root);
    if (strict.count > 0) {
      throw new UserError(
        `${where} was changed while it was read (${strict.first ?? 'the connection broke'}); stop whoever uses it, or give --allow-running`,
      );
    }
  };
  return writeTreeFile(file, head, source(), { unique: systemRuntime.randomHex(8), signal });
}

function report(file: string, znodes: number, leftOut: readonly string[], changes: number, format: OutputFormat): void {
  if (format !== 'table') return console.log(structured({ file, znodes, left_out: leftOut, changes }, format));
  const lines = [`${znodes} znodes are in ${file}`, `left out, as they end with a session: ${leftOut.length}`];
  console.log([...lines, ...examples(leftOut)].join('\n'));
  if (changes > 0)
    console.error(`nodepool: ${changes} changes were made meanwhile; the file may hold some and not others`);
}
