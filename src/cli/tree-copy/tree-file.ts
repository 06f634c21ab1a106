/** Writes and reads the file of a tree. Only its owner may read the file, because it may hold credentials. */
import { createHash } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../base/user-error.ts';
import type { TreeEntry, TreeSource } from './entry.ts';
import { endLine, entryLine, EntryParser, type FileHead, headLine, parseHead, TreeFileError } from './file-lines.ts';

const chunkBytes = 1024 * 1024;
/** Room for the largest content with each byte written as \u00xx. */
const mostLineBytes = 16 * 1024 * 1024;
const lineEnd = 0x0a;

export interface WriteOptions {
  /** A part of the unfinished file's name that no other export uses. */
  readonly unique: string;
  /** When it aborts, the unfinished file is gone at once. */
  readonly signal: AbortSignal;
}

/** Returns the number of znodes. The file is there as a whole or not at all, and replaces an older one. */
export async function writeTreeFile(
  file: string,
  head: FileHead,
  source: TreeSource,
  { unique, signal }: WriteOptions,
): Promise<number> {
  await refuseOtherThanFile(file);
  signal.throwIfAborted();
  const unfinished = `${file}.${unique}.unfinished`;
  const handle = await open(unfinished, 'wx', 0o600);
  // The file is removed at once, because the next entry may take long and a second signal ends the process.
  const remove = () => rmSync(unfinished, { force: true });
  signal.addEventListener('abort', remove, { once: true });
  try {
    const hash = createHash('sha256');
    let gathered: Buffer[] = [];
    let bytes = 0;
    const flush = async () => {
      await handle.appendFile(Buffer.concat(gathered));
      gathered = [];
      bytes = 0;
    };
    const put = async (line: string) => {
      const content = Buffer.from(`${line}\n`);
      hash.update(content);
      gathered.push(content);
      bytes += content.length;
      if (bytes >= chunkBytes) await flush();
    };
    await put(headLine(head));
    let znodes = 0;
    for await (const entry of source) {
      signal.throwIfAborted();
      await put(entryLine(entry));
      znodes++;
    }
    const sha256 = hash.copy().digest('hex');
    await put(endLine({ znodes, sha256 }));
    await flush();
    await handle.sync();
    await handle.close();
    signal.throwIfAborted();
    await rename(unfinished, file);
    const directory = await open(dirname(file), 'r');
    await directory.sync().finally(() => directory.close());
    return znodes;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    signal.removeEventListener('abort', remove);
  }
}

/** A file renamed to a device, a pipe or a link takes its place: run by root, that would end the machine's /dev/null. */
async function refuseOtherThanFile(file: string): Promise<void> {
  const found = await lstat(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (found === null || found.isFile()) return;
  if (found.isSymbolicLink()) throw new UserError(`${file} is a symbolic link; name the file it leads to`);
  throw new UserError(`${file} is no regular file; a whole tree is written to a file, and replaces it`);
}

export async function readHead(file: string): Promise<FileHead> {
  // The file is read three times, and a pipe can be read once.
  if (!(await stat(file)).isFile()) throw new UserError(`${file} is no regular file; an import needs one`);
  for await (const line of linesOf(file)) return parseHead(textOf(line, 1));
  throw new TreeFileError(1, 'the file is empty');
}

/** Throws TreeFileError, perhaps only at the end. Entries given before that are not to be used. */
export async function* readTreeFile(file: string): AsyncGenerator<TreeEntry> {
  const hash = createHash('sha256');
  let parser: EntryParser | null = null;
  let number = 0;
  let ended = false;
  for await (const line of linesOf(file)) {
    number++;
    if (ended) throw new TreeFileError(number, 'there is something after the end');
    const text = textOf(line, number);
    if (parser === null) {
      parser = new EntryParser(parseHead(text).root);
    } else {
      const value = parser.parse(text, number);
      if ('path' in value) yield value;
      else {
        ended = true;
        if (value.znodes !== parser.count || value.sha256 !== hash.copy().digest('hex')) {
          throw new TreeFileError(
            number,
            'the file was damaged or changed: count or checksum are not those of its lines',
          );
        }
      }
    }
    hash.update(line);
    hash.update('\n');
  }
  if (!ended) throw new TreeFileError(number + 1, 'the end is missing: the file is not whole');
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function textOf(line: Buffer, number: number): string {
  try {
    return decoder.decode(line);
  } catch (error) {
    throw new TreeFileError(number, 'this is no UTF-8', error);
  }
}

async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let number = 1;
  for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(lineEnd); at >= 0; at = chunk.indexOf(lineEnd, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, at)]);
      rest = [];
      restBytes = 0;
      number++;
      from = at + 1;
    }
    rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > mostLineBytes) throw new TreeFileError(number, `a line has more than ${mostLineBytes} bytes`);
  }
  if (restBytes > 0) throw new TreeFileError(number, 'the end of the last line is missing: the file is not whole');
}
