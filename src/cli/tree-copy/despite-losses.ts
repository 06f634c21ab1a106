/** Steps that look first at what is there can be repeated when a connection broke and nobody knows what has happened. */
import { isUnknownOutcome } from '../../store/transactions/unknown-outcome.ts';

const mostTries = 5;

/** The client waits for the connection by itself, up to the deadline of a call. */
export async function despiteLosses<T>(step: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step(attempt);
    } catch (error) {
      if (!isUnknownOutcome(error) || attempt >= mostTries) throw error;
    }
  }
}
