/**
 * Metrics of what is in the tree, read from the mirrors when somebody asks for them. Every launcher gives the same values, so
 * a query takes the maximum over launchers, not the sum. Exporters make the same names of the Python launcher's statsd names.
 */
import { isBroken } from '../records/broken.ts';
import { type NodeRecord, nodeStates } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Store } from '../store/mirrors/store.ts';
import type { Metrics, Sample } from '../telemetry/metrics.ts';

/** Counts by two labels. States that are known beforehand begin at 0, so that a series does not vanish when its state empties. */
class Tally {
  private readonly counts = new Map<string, Map<string, number>>();

  add(group: string, state: string, amount = 1): void {
    let states = this.counts.get(group);
    if (!states) this.counts.set(group, (states = new Map<string, number>()));
    states.set(state, (states.get(state) ?? 0) + amount);
  }

  *samples(group: string): Iterable<Sample> {
    for (const [name, states] of this.counts) {
      for (const [state, count] of states) yield [{ ...(group === '' ? {} : { [group]: name }), state }, count];
    }
  }
}

const requestStates = ['requested', 'pending', 'fulfilled', 'failed'];

export function treeMetrics(metrics: Metrics, store: Store, runtime: Runtime): void {
  nodeMetrics(metrics, store);
  requestMetrics(metrics, store, runtime);
  poolMetrics(metrics, store);
  zooKeeperMetrics(metrics, store);
}

function nodeMetrics(metrics: Metrics, store: Store): void {
  metrics.read('nodepool_nodes', 'Nodes in the tree by state.', {
    samples: () => {
      const tally = nodesByState(store, () => ['']);
      for (const state of nodeStates) tally.add('', state, 0);
      return tally.samples('');
    },
  });
  metrics.read('nodepool_nodes_by_provider', 'Nodes in the tree by provider and state.', {
    samples: () => nodesByState(store, ({ provider }) => (provider === null ? [] : [provider])).samples('provider'),
  });
  metrics.read('nodepool_nodes_by_label', 'Nodes in the tree by label and state; one with two labels counts twice.', {
    samples: () => nodesByState(store, ({ labels }) => labels).samples('label'),
  });
}

function nodesByState(store: Store, groupsOf: (node: NodeRecord) => readonly string[]): Tally {
  const tally = new Tally();
  for (const { node } of store.nodes.all()) {
    if (!node || isBroken(node)) continue;
    for (const group of groupsOf(node)) {
      for (const state of nodeStates) tally.add(group, state, 0);
      tally.add(group, node.state);
    }
  }
  return tally;
}

function requestMetrics(metrics: Metrics, store: Store, runtime: Runtime): void {
  metrics.read('nodepool_requests', 'Requests in the tree by state.', {
    samples: () => {
      const tally = new Tally();
      for (const state of requestStates) tally.add('', state, 0);
      for (const { state } of requestsOf(store)) tally.add('', state);
      return tally.samples('');
    },
  });
  metrics.read(
    'nodepool_requests_by_label',
    'Requests in the tree by label and state; one for two labels counts twice.',
    {
      samples: () => {
        const tally = new Tally();
        for (const { state, nodeTypes } of requestsOf(store)) {
          for (const label of new Set(nodeTypes)) {
            for (const known of requestStates) tally.add(label, known, 0);
            tally.add(label, state);
          }
        }
        return tally.samples('label');
      },
    },
  );
  metrics.read(
    'nodepool_oldest_request_age_seconds',
    'Age of the oldest request without its nodes; 0: there is none.',
    {
      samples: () => {
        let oldest = Number.POSITIVE_INFINITY;
        for (const request of requestsOf(store)) {
          if (isOpen(request)) oldest = Math.min(oldest, request.createdTime ?? request.stateTime);
        }
        return [[{}, oldest === Number.POSITIVE_INFINITY ? 0 : Math.max(0, runtime.nowMs() / 1000 - oldest)]];
      },
    },
  );
}

function poolMetrics(metrics: Metrics, store: Store): void {
  metrics.read('nodepool_pool_addressable_requests', 'Open requests that a registered pool could serve alone.', {
    samples: () => {
      const open = requestsOf(store).filter(isOpen);
      const counts = new Map<string, Sample>();
      for (const { providerName, name, supportedLabels } of store.components.pools()) {
        const supported = new Set(supportedLabels);
        const count = open.filter(({ nodeTypes }) => nodeTypes.every((label) => supported.has(label))).length;
        const labels = { provider: providerName ?? '', pool: name ?? '' };
        const before = counts.get(JSON.stringify(labels))?.[1] ?? 0;
        counts.set(JSON.stringify(labels), [labels, Math.max(before, count)]);
      }
      return counts.values();
    },
  });
}

function zooKeeperMetrics(metrics: Metrics, store: Store): void {
  metrics.read('nodepool_zookeeper_outstanding_requests', 'Calls of this process to ZooKeeper without an answer yet.', {
    samples: () => [[{}, store.client.outstanding]],
  });
  metrics.read('nodepool_zookeeper_connected', '1 with a ZooKeeper session and an up to date copy of the tree.', {
    samples: () => [[{}, store.client.state === 'connected' && store.synced ? 1 : 0]],
  });
}

const requestsOf = (store: Store): RequestRecord[] =>
  [...store.requests.all()].flatMap(({ request }) => (isBroken(request) ? [] : [request]));

const isOpen = ({ state }: RequestRecord): boolean => state === 'requested' || state === 'pending';
