/** What a command answers, and what of it can be held against another's answer. */
import { spawn } from 'node:child_process';

export interface Answer {
  readonly status: number | null;
  readonly stdout: string;
}

export function answer(
  command: string,
  args: readonly string[],
  { env = {}, input }: { env?: Readonly<Record<string, string>>; input?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'pipe' });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    let stdout = '';
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.resume();
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout }));
  });
}

/**
 * ZooKeeper lists children in no order; seconds pass between two commands. Some versions of the library that draws Python's
 * tables end an empty one with a second rule.
 */
export function comparable({ status, stdout }: Answer) {
  const lines = stdout
    .replace(/\b(\d\d:\d\d):\d\d:\d\d\b/g, '$1')
    .replace(/^(\+[-+]+\n)\1/gm, '$1')
    .split('\n');
  const isRow = (line: string, index: number) => line.startsWith('|') && !lines[index - 1]?.startsWith('+');
  const isFirstRow = (line: string, index: number) => line.startsWith('|') && lines[index - 2]?.startsWith('|');
  const rows = lines.filter((line, index) => isRow(line, index) || isFirstRow(line, index)).sort();
  return { status, rest: lines.filter((line) => !rows.includes(line)), rows };
}
