/** The file of a tree: what is written is read, and nothing else is believed. */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../testing/command-line.ts';
import type { TreeEntry } from './entry.ts';
import { TreeFileError } from './file-lines.ts';
import { readHead, readTreeFile, writeTreeFile } from './tree-file.ts';

const head = { root: '/', taken: '2026-11-21T12:00:00.000Z', by: '12.0.0' };
const options = { unique: 'x', signal: new AbortController().signal };
const entry = (path: string, data: Buffer | string = '', rest: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  data: Buffer.from(data),
  next: 0,
  acl: null,
  ...rest,
});

let directory: string;
let file: string;

beforeEach(() => {
  directory = temporaryDirectory();
  file = `${directory}/tree`;
});

const source = async function* (entries: readonly TreeEntry[]) {
  await Promise.resolve();
  yield* entries;
};
const all = async () => {
  const entries: TreeEntry[] = [];
  for await (const one of readTreeFile(file)) entries.push(one);
  return entries;
};

const sealed = (lines: readonly string[]) => {
  const text = lines.map((line) => `${line}\n`).join('');
  const sha256 = createHash('sha256').update(text).digest('hex');
  return `${text}${JSON.stringify({ znodes: lines.length - 1, sha256 })}\n`;
};
const headText = '{"nodepool-tree":1,"root":"/","taken":"","by":""}';

describe('a file of a tree', () => {
  it('gives back what was written, whatever the bytes', async () => {
    const entries = [
      entry('/a', 'line one\nline "two" \u2028 é 😀', { next: 2 ** 31 - 1 }),
      entry('/a/b', Buffer.from([0xff, 0x00, 0x0a])),
      entry('/a/b/c', '\ufeffwith a mark', { acl: [{ perms: 31, scheme: 'digest', id: 'user:hash' }] }),
      entry('/a/d', Buffer.alloc(1024 * 1024, 1)),
    ];
    expect(await writeTreeFile(file, head, source(entries), options)).toBe(4);
    expect(await readHead(file)).toEqual(head);
    // Comparing a megabyte byte by byte takes seconds.
    const shown = ({ data, ...rest }: TreeEntry) => ({ ...rest, data: data.toString('base64') });
    expect((await all()).map(shown)).toEqual(entries.map(shown));
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('is not there when the source breaks off, and one that was there stays', async () => {
    writeFileSync(file, 'before');
    const broken = async function* () {
      yield* source([entry('/a')]);
      throw new Error('lost');
    };
    await expect(writeTreeFile(file, head, broken(), options)).rejects.toThrow('lost');
    expect(readdirSync(directory)).toEqual(['tree']);
    expect(readFileSync(file, 'utf8')).toBe('before');
  });

  it('is not there when whoever waits for it gives up, not even until the next entry has come', async () => {
    const stop = new AbortController();
    const stopped = async function* () {
      yield* source([entry('/a')]);
      expect(readdirSync(directory)).toEqual(['tree.x.unfinished']);
      stop.abort(new Error('stopped'));
      expect(readdirSync(directory)).toEqual([]);
      yield* source([entry('/b')]);
    };
    await expect(writeTreeFile(file, head, stopped(), { unique: 'x', signal: stop.signal })).rejects.toThrow('stopped');
    const late = new AbortController();
    const whole = async function* () {
      yield* source([entry('/a')]);
      late.abort(new Error('stopped late'));
    };
    const written = writeTreeFile(file, head, whole(), { unique: 'x', signal: late.signal });
    await expect(written).rejects.toThrow('stopped late');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('takes the place of no pipe, device, directory or link', async () => {
    const untouched = async function* (): AsyncGenerator<TreeEntry> {
      yield* source([]);
      throw new Error('the source was read');
    };
    const refused = (name: string, why: string) =>
      expect(writeTreeFile(`${directory}/${name}`, head, untouched(), options)).rejects.toThrow(`${name} is ${why}`);
    execFileSync('sh', ['-c', 'mkfifo "$0"', `${directory}/pipe`]);
    writeFileSync(`${directory}/aim`, 'before');
    symlinkSync('aim', `${directory}/link`);
    symlinkSync('/dev/null', `${directory}/null`);
    symlinkSync('nothing', `${directory}/dangling`);
    await refused('pipe', 'no regular file');
    await refused('.', 'no regular file');
    for (const link of ['link', 'null', 'dangling']) await refused(link, 'a symbolic link');
    await expect(writeTreeFile('/dev/null', head, untouched(), options)).rejects.toThrow('no regular file');
    expect(readdirSync(directory).sort()).toEqual(['aim', 'dangling', 'link', 'null', 'pipe']);
    expect(lstatSync(`${directory}/pipe`).isFIFO()).toBe(true);
    await expect(readHead(`${directory}/pipe`)).rejects.toThrow('an import needs one');
  });

  it.each([
    ['', 1, 'empty'],
    ['{}\n', 1, 'no file of coordinator-export'],
    ['{"nodepool-tree":2,"root":"/"}\n', 1, 'format 2, this program reads 1'],
    ['{"nodepool-tree":1,"root":"../x"}\n', 1, 'root is no path'],
    [`${headText}\n`, 2, 'the end is missing'],
    [headText, 1, 'the end of the last line is missing'],
    [`${headText}\n{"path":"/a"}\n{"znodes":2,"sha256":""}\n`, 3, 'damaged or changed'],
    [sealed([headText, '{"path":"/a"}']).replace('/a', '/b'), 3, 'damaged or changed'],
    [`${sealed([headText])}{}\n`, 3, 'something after the end'],
    [sealed([headText, 'nonsense']), 2, 'no JSON'],
    [sealed([headText, '[]']), 2, 'a line is an object'],
    [sealed([headText, '{"path":1}']), 2, 'no path'],
    [sealed([headText, '{"path":"/"}']), 2, 'the root itself'],
    [sealed([headText, '{"path":"a"}']), 2, 'does not start with /'],
    [sealed([headText, '{"path":"/a/"}']), 2, 'ends with /'],
    [sealed([headText, '{"path":"/../a"}']), 2, 'relative names'],
    [sealed([headText, '{"path":"/a\\u0000"}']), 2, 'invalid character'],
    [sealed([headText, `{"path":"/${'a'.repeat(5000)}"}`]), 2, 'no path'],
    [sealed([headText, '{"path":"/zookeeper/quota"}']), 2, "ZooKeeper's own"],
    [sealed([headText, '{"path":"/a/b"}']), 2, 'before its parent'],
    [sealed([headText, '{"path":"/a"}', '{"path":"/a"}']), 3, 'twice'],
    [sealed([headText.replace('"/"', '"/a"'), '{"path":"/b"}']), 2, 'not below /a'],
    [sealed([headText, '{"path":"/a","data":1}']), 2, 'the content is text'],
    [sealed([headText, '{"path":"/a","data":"","base64":""}']), 2, 'either data or base64'],
    [sealed([headText, '{"path":"/a","base64":"*"}']), 2, 'no base64'],
    [sealed([headText, '{"path":"/a","next":-1}']), 2, 'no number'],
    [sealed([headText, '{"path":"/a","next":1e12}']), 2, 'no number'],
    [sealed([headText, '{"path":"/a","acl":[]}']), 2, 'no access list'],
    [sealed([headText, '{"path":"/a","acl":[{"perms":99,"scheme":"world","id":"anyone"}]}']), 2, 'no access list'],
    [`${headText}\n${'x'.repeat(17 * 1024 * 1024)}`, 2, 'a line has more than'],
  ])('is refused: %#', async (text, line, message) => {
    writeFileSync(file, text);
    const error = await readHead(file)
      .then(all)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TreeFileError);
    expect(error).toMatchObject({ code: 'tree-file', line, message: expect.stringContaining(message) });
  });

  it('is refused where it is no text', async () => {
    writeFileSync(file, Buffer.concat([Buffer.from(`${headText}\n`), Buffer.from([0xff, 0x0a])]));
    await expect(all()).rejects.toThrow('line 2: this is no UTF-8');
  });
});
