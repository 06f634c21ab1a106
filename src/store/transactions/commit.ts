/**
 * One transaction, and what has become of it. A step on the tree says what it writes and what proves that it was written;
 * here every way in which a transaction can end becomes one of a few outcomes. Knows nothing of what is written.
 */
import {
  MultiError,
  type MultiOperation,
  type MultiResult,
  SessionExpiredError,
  type Stat,
  type ZooKeeper,
  type ZooKeeperError,
} from '@nodepool/zookeeper';
import { lastName } from '../paths.ts';
import { findContender, isUnknownOutcome } from './unknown-outcome.ts';

/**
 * What tells whether a transaction was applied whose answer was lost: it makes or removes a contender of ours, whose random
 * name nobody else uses.
 */
export interface Proof {
  readonly contender: 'made' | 'removed';
  /** The directory of the lock in which the contender stands. */
  readonly directory: string;
  /** The contender's name, or how it begins. */
  readonly prefix: string;
}

export interface Transaction {
  readonly operations: readonly MultiOperation[];
  readonly proof: Proof;
  /** Writes that were announced to the mirrors: told as soon as no answer can bring their stat any more. */
  readonly announced: readonly { failed(): void }[];
}

export type Committed =
  /** The transaction was applied, and answered. */
  | { readonly outcome: 'done'; readonly results: readonly MultiResult[] }
  /** ZooKeeper has refused it because of one of its operations: nothing was written. */
  | {
      readonly outcome: 'refused';
      readonly index: number;
      readonly reason: ZooKeeperError;
      readonly error: MultiError;
    }
  /** The session had ended before the transaction was applied, and our locks with it. */
  | { readonly outcome: 'expired' }
  /** The answer was lost; the tree proves that it was applied. `contender`: the one that was made or removed. */
  | { readonly outcome: 'applied'; readonly contender: string; readonly error: ZooKeeperError }
  /** The answer was lost; the tree proves that nothing was written. */
  | { readonly outcome: 'not-applied'; readonly error: ZooKeeperError }
  /** The answer was lost, and the session ended before the tree could prove anything. Our locks are gone with it. */
  | { readonly outcome: 'unknown'; readonly error: ZooKeeperError };

/** Throws whatever is none of these outcomes: missing rights, a closed client, a defect. */
export async function commit(client: ZooKeeper, { operations, proof, announced }: Transaction): Promise<Committed> {
  try {
    return { outcome: 'done', results: await client.multi(operations) };
  } catch (error) {
    for (const write of announced) write.failed();
    if (error instanceof MultiError) return { outcome: 'refused', index: error.index, reason: error.error, error };
    if (error instanceof SessionExpiredError) return { outcome: 'expired' };
    if (!isUnknownOutcome(error)) throw error;
    return settle(client, proof, error);
  }
}

async function settle(client: ZooKeeper, proof: Proof, error: ZooKeeperError): Promise<Committed> {
  const found = await findContender(client, proof.directory, proof.prefix);
  if (found === 'session') return { outcome: 'unknown', error };
  const isApplied = (found.name !== null) === (proof.contender === 'made');
  if (!isApplied) return { outcome: 'not-applied', error };
  return { outcome: 'applied', contender: found.name ?? proof.prefix, error };
}

/** What the operation at `index` has left: of a creation or a write. */
export function statAt(results: readonly MultiResult[], index: number): Stat {
  return (results[index] as Extract<MultiResult, { type: 'create' | 'set' }>).stat;
}

/** The name of the znode that the creation at `index` has made. */
export function nameAt(results: readonly MultiResult[], index: number): string {
  return lastName((results[index] as Extract<MultiResult, { type: 'create' }>).path);
}
