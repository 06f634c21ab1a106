/**
 * Writes whose outcome is unknown because their answer was lost. A write that makes or removes a contender under a random
 * name can be settled afterwards: the lock's directory tells whether it was applied.
 */
import { NoNodeError, SessionExpiredError, type ZooKeeper, ZooKeeperError } from '@nodepool/zookeeper';

/** Whether a write that failed like this may have been applied all the same. */
export function isUnknownOutcome(error: unknown): error is ZooKeeperError {
  return error instanceof ZooKeeperError && error.retriable;
}

/**
 * The name of the contender that starts with `prefix`; null when it is not there; 'session' when its session has ended and
 * the contender with it. Asks until it knows: a contender that nobody remembers would block its lock as long as the session
 * lives.
 */
export async function findContender(
  client: ZooKeeper,
  directory: string,
  prefix: string,
): Promise<{ readonly name: string | null } | 'session'> {
  const { sessionId } = client;
  while (client.sessionId === sessionId && client.state !== 'closed') {
    try {
      // A server that was joined just now may not have our transaction yet.
      await client.sync(directory);
      const { children } = await client.children(directory);
      if (client.sessionId !== sessionId) return 'session';
      return { name: children.find((name) => name.startsWith(prefix)) ?? null };
    } catch (error) {
      if (error instanceof NoNodeError) return { name: null };
      if (error instanceof SessionExpiredError) return 'session';
      if (!isUnknownOutcome(error)) throw error;
      await giveWay();
    }
  }
  return 'session';
}

/** Lets others work before the next attempt: a call may be refused at once, again and again. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
