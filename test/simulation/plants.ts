/**
 * Bugs to be planted, to see that the promises find them: each puts a faulty method in the place of one of the product's,
 * or a faulty adapter around the simulated one. Production code knows nothing of it.
 */
import type { NodepoolConfig } from '../../src/config/model.ts';
import { DeletionReconciler } from '../../src/launcher/upkeep/deletion.ts';
import { Launcher } from '../../src/launcher/launcher.ts';
import { LostRequestReconciler } from '../../src/launcher/serving/lost-requests.ts';
import type { Evictions } from '../../src/launcher/pools/evictions.ts';
import { NodeAccounting } from '../../src/launcher/pools/node-accounting.ts';
import { Overcommit } from '../../src/launcher/serving/overcommit.ts';
import { RequestEnding } from '../../src/launcher/serving/request-ending.ts';
import type { Adapter } from '../../src/driver-kit/contract.ts';
import { LeakDetector } from '../../src/provider/leaks.ts';
import { Machine } from '../../src/provider/machine.ts';
import type { NodeRecord } from '../../src/records/node.ts';
import { HeldNode, HeldRequest } from '../../src/store/transactions/held.ts';
import { Operations } from '../../src/store/transactions/operations.ts';
import type { Store } from '../../src/store/mirrors/store.ts';
import { HeldLock, type MultiOperation, type ZooKeeper } from '@nodepool/zookeeper';
import type { ProcessRuntime } from './virtual-time.ts';
import type { WorldOptions } from './world.ts';

export interface Plant {
  readonly name: string;
  readonly what: string;
  readonly plant: () => void;
  /** Put around what the world is made of. */
  readonly wraps?: Pick<WorldOptions, 'wrapAdapter' | 'wrapClient'>;
}

type Method = (...args: never[]) => unknown;

/** Puts `make(original)` in the place of a method, private ones too. */
function replace(owner: { readonly prototype: object }, name: string, make: (original: Method) => Method): void {
  const original = Reflect.get(owner.prototype, name) as Method | undefined;
  if (typeof original !== 'function') throw new Error(`there is no method ${name} any more`);
  Reflect.set(owner.prototype, name, make(original));
}

const nothing = () => undefined;

export const plants: readonly Plant[] = [
  {
    name: 'stock-unchecked',
    what: 'a node is locked and not looked at again: it may have been given to another request meanwhile',
    plant: () =>
      replace(Operations, 'lockNode', (original) => {
        const lockNode = original as Operations['lockNode'];
        return function (this: Operations, id: string, o: Parameters<Operations['lockNode']>[1] = {}) {
          const expect = (node: NodeRecord) => node.state === 'ready' || (o.expect?.(node) ?? true);
          return lockNode.call(this, id, { expect });
        };
      }),
  },
  {
    name: 'session-ignored',
    what: 'locks are believed to be held after their session has ended',
    plant: () => {
      Object.defineProperty(HeldLock.prototype, 'held', {
        get(this: { released: boolean }) {
          return !this.released;
        },
      });
    },
  },
  {
    name: 'write-without-version',
    what: 'everything is written whatever it has become meanwhile',
    plant: nothing,
    wraps: { wrapClient: withoutVersions },
  },
  {
    name: 'used-is-stock',
    what: 'a node that was used goes back to the stock',
    plant: () =>
      replace(DeletionReconciler, 'remove', (original) => {
        const remove = original as (this: unknown, seen: NodeRecord) => Promise<number | undefined>;
        return async function (this: Deleting, seen: NodeRecord) {
          if (seen.state !== 'used' || !seen.id.endsWith('3')) return remove.call(this, seen);
          const locked = await this.deps.operations.lockNode(seen.id);
          if (!locked.ok) return undefined;
          await locked.node.write({ state: 'ready', allocatedTo: null });
          await locked.node.release();
          return undefined;
        };
      }),
  },
  {
    name: 'leaks-kept',
    what: 'nothing that leaked is ever found',
    plant: () => {
      replace(LeakDetector, 'pass', () => () => []);
      replace(LeakDetector, 'surplus', () => () => []);
    },
  },
  {
    name: 'no-take-over',
    what: 'launches of a launcher that has gone are thrown away',
    plant: () => replace(LostRequestReconciler, 'successorOf', () => () => null),
  },
  {
    name: 'lost-requests-left',
    what: 'a pending request of a launcher that has gone is left as it is',
    plant: () => replace(LostRequestReconciler, 'seemsLost', () => () => false),
  },
  {
    name: 'quota-not-reserved',
    what: 'what was decided is not counted before its records are there',
    plant: () => replace(NodeAccounting, 'reserve', () => () => ({ release: nothing })),
  },
  {
    name: 'quota-not-counted',
    what: 'the records of nodes are not counted as use',
    plant: () => replace(NodeAccounting, 'updateUse', () => nothing),
  },
  {
    name: 'overcommit-kept',
    what: 'what several launchers have decided beyond a limit is carried out',
    plant: () => replace(Overcommit, 'check', () => () => Promise.resolve(null)),
  },
  {
    name: 'reload-drops-stock',
    what: 'a reload deletes free nodes',
    plant: () =>
      replace(Launcher, 'reload', (original) => {
        const reload = original as (this: unknown, config: NodepoolConfig) => void;
        return function (this: Reloading, config: NodepoolConfig) {
          const { evictions } = this.parts.deletion.deps;
          for (const { id } of this.options.store.nodes.all()) evictions.evict(id);
          reload.call(this, config);
        };
      }),
  },
  {
    name: 'owner-ignored',
    what: 'a node is deleted although a fulfilled request has it',
    plant: () => {
      replace(DeletionReconciler, 'isOrphaned', () => (node: NodeRecord) => node.allocatedTo !== null);
      replace(
        DeletionReconciler,
        'deallocate',
        () =>
          async function (this: Deleting, node: NodeRecord) {
            const locked = await this.deps.operations.lockNode(node.id);
            if (!locked.ok) return undefined;
            await locked.node.write({ allocatedTo: null });
            await locked.node.release();
            return undefined;
          },
      );
    },
  },
  {
    name: 'request-reopened',
    what: 'a request that has failed is opened again',
    plant: () =>
      replace(RequestEnding, 'decline', (original) => {
        const decline = original as (this: unknown, reason: string) => Promise<void>;
        return async function (this: { held: HeldRequest }, reason: string) {
          const { held } = this;
          const { release } = held;
          held.release = async () => {
            if (held.entry.request.state === 'failed') await held.update({ state: 'requested' });
            await release.call(held);
          };
          await decline.call(this, reason);
        };
      }),
  },
  {
    name: 'declined-too-early',
    what: 'a request fails as soon as one pool has declined it',
    plant: () => replace(RequestEnding, 'stateAfter', () => () => 'failed'),
  },
  {
    name: 'id-not-stored',
    what: 'the id of an instance is stored only when the node is ready',
    plant: () =>
      replace(HeldNode, 'write', (original) => {
        const write = original as HeldNode['write'];
        return function (this: HeldNode, fields: Parameters<HeldNode['write']>[0]) {
          if (this.node.state === 'building' && fields.state === undefined) return Promise.resolve({ ok: true });
          return write.call(this, fields);
        };
      }),
  },
  {
    name: 'no-deadlines',
    what: 'a call that hangs is waited for without end',
    plant: () => {
      replace(Machine, 'run', (original) => {
        const run = original as Machine['run'];
        return function <T>(this: Machine, _timeoutMs: number, outer: AbortSignal, body: () => Promise<T>) {
          return run.call(this, 3_600_000, outer, body);
        };
      });
      replace(Machine, 'step', (original) => {
        const step = original as Machine['step'];
        return function <T>(this: Machine, _timeoutMs: number, work: () => Promise<T>) {
          return step.call(this, 3_600_000, work);
        };
      });
    },
  },
  {
    name: 'one-at-a-time',
    what: 'a call to one cloud has to wait for the calls to all others',
    plant: nothing,
    wraps: { wrapAdapter: oneAtATime },
  },
];

const queues = new WeakMap<ProcessRuntime, Promise<unknown>>();

function oneAtATime(adapter: Adapter, runtime: ProcessRuntime): Adapter {
  return new Proxy(adapter, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || name === 'beginCreate' || name === 'beginDelete') return value;
      return (...args: unknown[]) => {
        const before = queues.get(runtime) ?? Promise.resolve();
        const work = before.then(() => (value as (...a: unknown[]) => unknown).apply(target, args));
        queues.set(runtime, work.then(nothing, nothing));
        return work;
      };
    },
  });
}

function withoutVersions(client: ZooKeeper): ZooKeeper {
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'set') return (path: string, data: Uint8Array) => target.set(path, data);
      if (name === 'multi') {
        return (operations: readonly MultiOperation[]) =>
          target.multi(operations.map((one) => (one.type === 'set' ? { ...one, version: -1 } : one)));
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as Method).bind(target) : value;
    },
  });
}

interface Deleting {
  readonly deps: { readonly operations: Operations };
}

interface Reloading {
  readonly options: { readonly store: Store };
  readonly parts: { readonly deletion: { readonly deps: { readonly evictions: Evictions } } };
}

export function plantNamed(name: string): Plant {
  const found = plants.find((plant) => plant.name === name);
  if (!found) throw new Error(`no plant ${name}; there are ${plants.map((plant) => plant.name).join(', ')}`);
  return found;
}
