/**
 * Finds out what became of a transaction whose answer was lost. Each such transaction makes or removes a contender of ours
 * under a random name, so that the lock's directory tells whether it was applied.
 */
import { NoNodeError, SessionExpiredError, type ZooKeeper, ZooKeeperError } from '@nodepool/zookeeper';

/** Whether a write that failed like this may have been applied all the same. */
export function isUncertain(error: unknown): error is ZooKeeperError {
  return error instanceof ZooKeeperError && error.retriable;
}

/**
 * The name of the contender that starts with `prefix`; null when it is not there; 'session' when its session has ended and
 * it with it. Asks until it knows: a contender that nobody remembers would block its lock as long as the session lives.
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
      if (!isUncertain(error)) throw error;
      // Gives way where the refusal came at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return 'session';
}
