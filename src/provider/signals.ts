/** AbortSignals that very many listen to, e.g. all machines of a launcher. */
import { setMaxListeners } from 'node:events';

/** Node.js warns of a leak from the 11th listener on; here the number is bounded by what is under way. */
export function manyListeners(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}
