/**
 * Looks a name up once a minute instead of for every datagram. A look-up takes one of the process's few threads for files and
 * names, and keeps it for seconds where a name server does not answer.
 */
import { lookup as systemLookup, type LookupOneOptions } from 'node:dns';
import { isIP } from 'node:net';
import type { Runtime } from '../base/runtime.ts';
import type { OwnErrorCode } from '../base/error-codes.ts';

type Answer = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;
export type Lookup = (name: string, options: LookupOneOptions, answer: Answer) => void;

interface Found {
  readonly error: NodeJS.ErrnoException | null;
  readonly address: string;
  readonly family: number;
  readonly untilMs: number;
}

const keepMs = 60_000;
const keepFailureMs = 5000;
/** Callers wait while a name is being looked up. More of them are refused, so that datagrams do not pile up. */
const mostWaiting = 100;

class NotLookedUpError extends Error {
  readonly code = 'not-looked-up' satisfies OwnErrorCode;
}

/** It remembers one name: it is for a socket that sends to one receiver only. */
export function rememberedLookup(runtime: Runtime, lookup: Lookup = systemLookup): Lookup {
  let known: { readonly name: string; readonly found: Found } | null = null;
  let waiting: Answer[] | null = null;
  const tell = ({ error, address, family }: Found, answer: Answer) =>
    process.nextTick(() => answer(error, address, family));

  return (name, options, answer) => {
    if (isIP(name) !== 0) return process.nextTick(() => answer(null, name, isIP(name)));
    if (known?.name === name && runtime.monotonicMs() < known.found.untilMs) return tell(known.found, answer);
    if (waiting) {
      if (waiting.length < mostWaiting) waiting.push(answer);
      else process.nextTick(() => answer(new NotLookedUpError(`${name} is still being looked up`), '', 0));
      return;
    }
    waiting = [answer];
    lookup(name, options, (error, address, family) => {
      const untilMs = runtime.monotonicMs() + (error ? keepFailureMs : keepMs);
      const found: Found = { error, address, family, untilMs };
      known = { name, found };
      const all = waiting ?? [];
      waiting = null;
      for (const one of all) tell(found, one);
    });
  };
}
