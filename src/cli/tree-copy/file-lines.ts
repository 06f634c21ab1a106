/**
 * A tree as lines of JSON: a head, one line for each znode with parents first, and an end with count and checksum, so that
 * half a file is not taken for a whole one. docs/operation.md describes the format. The author of a file is not trusted.
 */
import { type Acl, pathProblem } from '@nodepool/zookeeper';
import { isWithin, parentOf, type TreeEntry } from './entry.ts';
import type { OwnErrorCode } from '../../base/error-codes.ts';

export const formatVersion = 1;

export interface FileHead {
  /** Where the entries come from: '/' or the top of a subtree. */
  readonly root: string;
  /** When the tree was read, in ISO 8601. */
  readonly taken: string;
  /** The version of the program that wrote the file. */
  readonly by: string;
}

export interface FileEnd {
  readonly znodes: number;
  /** Checksum of all lines before the end, with their line ends. */
  readonly sha256: string;
}

export class TreeFileError extends Error {
  readonly code = 'tree-file' satisfies OwnErrorCode;
  /** Lines count from 1. */
  readonly line: number;

  constructor(line: number, message: string, cause?: unknown) {
    super(`line ${line}: ${message}`, cause === undefined ? undefined : { cause });
    this.name = 'TreeFileError';
    this.line = line;
  }
}

const mostPathCharacters = 4096;
const largestNumber = 2 ** 31 - 1;
const allPerms = 31;

export const headLine = ({ root, taken, by }: FileHead): string =>
  JSON.stringify({ 'nodepool-tree': formatVersion, root, taken, by });

export const endLine = ({ znodes, sha256 }: FileEnd): string => JSON.stringify({ znodes, sha256 });

export function entryLine({ path, data, next, acl }: TreeEntry): string {
  const text = data.toString('utf8');
  const content =
    data.length === 0 ? {} : data.equals(Buffer.from(text)) ? { data: text } : { base64: data.toString('base64') };
  return JSON.stringify({ path, ...content, ...(next > 0 ? { next } : {}), ...(acl === null ? {} : { acl }) });
}

export function parseHead(text: string): FileHead {
  const head = objectOf(text, 1);
  const version = head['nodepool-tree'];
  if (version === undefined) throw new TreeFileError(1, 'this is no file of coordinator-export');
  if (version !== formatVersion) {
    throw new TreeFileError(1, `the file has format ${JSON.stringify(version)}, this program reads ${formatVersion}`);
  }
  const { root, taken, by } = head;
  if (typeof root !== 'string' || pathProblem(root) !== null) throw new TreeFileError(1, 'root is no path');
  return { root, taken: typeof taken === 'string' ? taken : '', by: typeof by === 'string' ? by : '' };
}

/** Parses the lines after the head one by one, and checks that parents come first and no path comes twice. */
export class EntryParser {
  private readonly root: string;
  private readonly seen = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  get count(): number {
    return this.seen.size;
  }

  parse(text: string, line: number): TreeEntry | FileEnd {
    const value = objectOf(text, line);
    const { path, znodes, sha256 } = value;
    if (path === undefined && typeof znodes === 'number' && typeof sha256 === 'string') return { znodes, sha256 };
    return {
      path: this.path(path, line),
      data: contentOf(value, line),
      next: numberOf(value['next'], line),
      acl: aclOf(value['acl'], line),
    };
  }

  private path(path: unknown, line: number): string {
    if (typeof path !== 'string' || path.length > mostPathCharacters) throw new TreeFileError(line, 'no path');
    const shown = JSON.stringify(path);
    const problem = path === '/' ? 'the root itself is not copied' : pathProblem(path);
    if (problem !== null) throw new TreeFileError(line, `path ${shown}: ${problem}`);
    if (isWithin(path, '/zookeeper')) throw new TreeFileError(line, `path ${shown} is ZooKeeper's own`);
    if (!isWithin(path, this.root)) throw new TreeFileError(line, `path ${shown} is not below ${this.root}`);
    const parent = parentOf(path);
    if (parent !== '/' && path !== this.root && !this.seen.has(parent)) {
      throw new TreeFileError(line, `path ${shown} comes before its parent`);
    }
    if (this.seen.has(path)) throw new TreeFileError(line, `path ${shown} is there twice`);
    this.seen.add(path);
    return path;
  }
}

function objectOf(text: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TreeFileError(line, 'this is no JSON', error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TreeFileError(line, 'a line is an object');
  }
  return value as Record<string, unknown>;
}

function contentOf({ data, base64 }: Record<string, unknown>, line: number): Buffer {
  if (data !== undefined && base64 !== undefined) throw new TreeFileError(line, 'either data or base64');
  if (data === undefined && base64 === undefined) return Buffer.alloc(0);
  if (typeof data === 'string') return Buffer.from(data);
  if (typeof base64 !== 'string') throw new TreeFileError(line, 'the content is text');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw new TreeFileError(line, 'the content is no base64');
  return bytes;
}

function numberOf(next: unknown, line: number): number {
  if (next === undefined) return 0;
  if (typeof next !== 'number' || !Number.isInteger(next) || next < 0 || next > largestNumber) {
    throw new TreeFileError(line, 'next is no number that ZooKeeper gives');
  }
  return next;
}

function aclOf(acl: unknown, line: number): readonly Acl[] | null {
  if (acl === undefined) return null;
  if (!Array.isArray(acl) || acl.length === 0 || !acl.every(isAcl))
    throw new TreeFileError(line, 'acl is no access list');
  return acl.map(({ perms, scheme, id }) => ({ perms, scheme, id }));
}

function isAcl(value: unknown): value is Acl {
  if (typeof value !== 'object' || value === null) return false;
  const { perms, scheme, id } = value as Record<string, unknown>;
  const isPerms = typeof perms === 'number' && Number.isInteger(perms) && perms >= 0 && perms <= allPerms;
  return isPerms && typeof scheme === 'string' && scheme !== '' && typeof id === 'string';
}
