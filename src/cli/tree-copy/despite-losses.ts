/** Repeats a step whose answer was lost with the connection. The step looks first at what is there, so it may be repeated. */
import { isUnknownOutcome } from '../../store/transactions/unknown-outcome.ts';

const mostTries = 5;

/** There is no pause between attempts: the client itself waits for the connection, up to the deadline of a call. */
export async function despiteLosses<T>(step: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step(attempt);
    } catch (error) {
      if (!isUnknownOutcome(error) || attempt >= mostTries) throw error;
    }
  }
}
