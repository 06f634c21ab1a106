/**
 * Leaves the foreground: the program starts itself again without a terminal, and ends when that one runs or has failed. What is
 * wrong with the options or the configuration is said by the one that the user has started, with its status.
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export const detachedOption = '--detached';

type Word = { readonly kind: 'runs' } | { readonly kind: 'failed'; readonly text: string; readonly status: number };

/** Runs this program with these options without a terminal; resolves with the status for the one in the foreground. */
export function detach(args: readonly string[], program: string): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args, detachedOption], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((done) => {
    const end = (text: string | null, status: number) => {
      if (text !== null) console.error(text);
      if (child.connected) child.disconnect();
      child.unref();
      done(status);
    };
    child.on('message', (word) => {
      const said = word as Word;
      if (said.kind === 'runs') end(null, 0);
      else end(said.text, said.status);
    });
    child.on('error', (error) => end(`${program}: it can't be started: ${error.message}`, 1));
    child.on('exit', (code, signal) => end(`${program}: it has ended at its start (${code ?? signal})`, code || 1));
  });
}

/** Said by the one without a terminal. Later words have nobody who hears them. */
export function tellStarter(word: Word): Promise<void> {
  return new Promise((done) => {
    if (!process.connected || !process.send) return done();
    process.send(word, () => {
      if (process.connected) process.disconnect();
      done();
    });
  });
}

/** The same file from another working directory. */
export function absolute(path: string): string {
  return /^~(?=\/)/.test(path) ? path : resolve(path);
}
