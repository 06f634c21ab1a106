/**
 * A contender that a transaction makes together with its other writes. In a lock directory that the same transaction makes
 * nobody can stand before it: the lock is then ours with the transaction.
 */
import {
  HeldLock,
  type MultiOperation,
  newContenderPrefix,
  removeContender,
  type ZooKeeper,
} from '@nodepool/zookeeper';
import type { Runtime } from '../../base/runtime.ts';
import type { Proof } from './commit.ts';

const empty = Buffer.alloc(0);

export class NewContender {
  readonly directory: string;
  private readonly prefix: string;

  constructor(runtime: Runtime, directory: string) {
    this.directory = directory;
    this.prefix = newContenderPrefix(runtime);
  }

  directoryCreation(): MultiOperation {
    return { type: 'create', path: this.directory, data: empty };
  }

  creation(): MultiOperation {
    const path = `${this.directory}/${this.prefix}`;
    return { type: 'create', path, data: empty, mode: 'ephemeral-sequential' };
  }

  get proof(): Proof {
    return { contender: 'made', directory: this.directory, prefix: this.prefix };
  }

  /** `name`: what ZooKeeper has called the contender. */
  heldLock(client: ZooKeeper, name: string): HeldLock {
    return new HeldLock(client, this.directory, name);
  }

  /** Gives up the place that a transaction has made without an answer: nobody would remember it as long as the session lives. */
  withdraw(client: ZooKeeper, name: string): Promise<void> {
    return removeContender(client, `${this.directory}/${name}`, client.sessionId);
  }
}

/** Proves a transaction that gives the lock back. */
export function releaseProof(lock: HeldLock): Proof {
  return { contender: 'removed', directory: lock.directory, prefix: lock.contender };
}
