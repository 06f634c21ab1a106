/** Runs a program's main function: expected errors as one clear message, bugs with their stack, and always a status. */
import { CommanderError } from 'commander';
import { UserError, usageStatus } from '../base/user-error.ts';

export async function run(program: string, main: () => Promise<number>): Promise<never> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `nodepool list | head`: the reader has had enough.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.exit(await statusOf(program, main));
}

/** `say` gets what went wrong, for the user. */
export async function statusOf(
  program: string,
  main: () => Promise<number>,
  say: (text: unknown) => void = console.error,
): Promise<number> {
  try {
    return await main();
  } catch (error) {
    // commander has printed its message or help already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageStatus;
    const text = expectedText(error);
    say(text === null ? error : `${program}: ${text}`);
    return error instanceof UserError ? error.status : 1;
  }
}

/**
 * Our errors and the operating system's carry a code; those of a bug carry none, or one of Node's `ERR_…`.
 * null for a bug, whose stack is wanted.
 */
function expectedText(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || code.startsWith('ERR_')) return null;
  return code === 'EADDRINUSE' ? `${error.message}; choose another port or stop what listens there` : error.message;
}
