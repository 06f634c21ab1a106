/** The write of one document under its lock, with the version of what it was made from. */
import { BadVersionError, type HeldLock, NoNodeError, SessionExpiredError } from '@nodepool/zookeeper';
import { done, mostAttempts, type Outcome, type Refused, refused } from './outcome.ts';
import { isUnknownOutcome } from './unknown-outcome.ts';

export interface VersionedDocument {
  /** Writes it as it should be, and takes over what the answer says. Fails as the write does. */
  write(): Promise<void>;
  /** Reads it anew. The refusal when what is there is of no use. Fails as the read does. */
  readAgain(): Promise<Refused | null>;
}

/**
 * Somebody else's write in between (a consumer's, for one) is kept: the document is read, and ours is made from it again. So
 * is a write of ours whose answer was lost.
 */
export async function writeVersioned(lock: HeldLock, document: VersionedDocument): Promise<Outcome> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (!lock.held) return refused('session');
    try {
      await document.write();
      return done;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal) return refusal;
      if (!(error instanceof BadVersionError || isUnknownOutcome(error))) throw error;
    }
    try {
      const refusal = await document.readAgain();
      if (refusal) return refusal;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal) return refusal;
      // The next attempt will meet the version's mismatch and ask again.
      if (!isUnknownOutcome(error)) throw error;
    }
  }
  return refused('changed');
}

function refusalOf(error: unknown): Refused | null {
  if (error instanceof NoNodeError) return refused('gone');
  return error instanceof SessionExpiredError ? refused('session') : null;
}
