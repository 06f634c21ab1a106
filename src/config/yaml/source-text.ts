/** The text of a configuration file with `%(NODEPOOL_X)` replaced, and the places in it as its author sees them. */
import { readFileSync } from 'node:fs';
import { ConfigError } from './errors.ts';

export interface SourceText {
  /** The text after substitution. */
  readonly text: string;
  readonly original: string;
  /** In the order of the text. Between two replacements nothing was changed. */
  readonly replaced: readonly Replacement[];
}

interface Replacement {
  readonly offset: number;
  readonly length: number;
  readonly originalOffset: number;
  readonly originalLength: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const why: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'it is a directory',
};

export function readSource(path: string, env: Environment): SourceText {
  const fail = (message: string, cause?: unknown): never => {
    throw new ConfigError([{ file: path, line: 1, column: 1, path: '', message }], { cause });
  };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
    return substitute(text, env);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return fail('the file is not UTF-8', error);
    return fail(`the configuration can't be read: ${why[code] ?? String(error)}`, error);
  }
}

/** Replaces variables whose names begin with NODEPOOL_. Those that are not set stay as they are. */
export function substitute(original: string, env: Environment): SourceText {
  const replaced: Replacement[] = [];
  let text = '';
  let end = 0;
  for (const match of original.matchAll(/%\((NODEPOOL_[^)]*)\)/g)) {
    const value = env[match[1]!];
    if (value === undefined) continue;
    text += original.slice(end, match.index);
    replaced.push({
      offset: text.length,
      length: value.length,
      originalOffset: match.index,
      originalLength: match[0].length,
    });
    text += value;
    end = match.index + match[0].length;
  }
  return { text: text + original.slice(end), original, replaced };
}

/** Makes of an offset in the substituted text the line and column (from 1) in the file. */
export function positions(source: SourceText): (offset: number) => { line: number; column: number } {
  return (offset) => {
    const before = source.original.slice(0, originalOffset(source, offset));
    const lines = before.split(/\r\n|\r|\n/);
    return { line: lines.length, column: lines.at(-1)!.length + 1 };
  };
}

function originalOffset(source: SourceText, offset: number): number {
  const last = source.replaced.findLast((one) => one.offset <= offset);
  if (!last) return offset;
  const behind = offset - (last.offset + last.length);
  return behind < 0 ? last.originalOffset : last.originalOffset + last.originalLength + behind;
}
