/**
 * Promises about time, looked at once a second: P4, P5, P6 and P9, and at the end that everything has come to rest. Strict
 * bounds hold where little goes wrong at once; under all faults together only the end counts.
 */
import { allocatedTo, type Books, externalId, holderOf, type NodeBook, stateOf, textOf } from './books.ts';
import type { CloudInstance, SimulatedCloud } from './cloud.ts';
import type { PromiseName } from './promises.ts';
import type { Scenario } from './scenario.ts';

/** Two passes of the search for leaks, and the calls to get there. */
const strayBoundMs = 25_000;
/** Where nothing goes wrong an instance's id is stored as soon as the cloud has told it. */
const recordBoundMs = 2000;
const answerBoundMs = 60_000;
const otherProviderBoundMs = 15_000;
/** Beside the session's time: noticing that a request is lost, locking it, locking the node. */
const takeOverStepMs = 3000;

interface LaunchUnderWay {
  readonly node: NodeBook;
  readonly requestId: string;
  readonly externalId: string;
  readonly provider: string;
  readonly pool: string;
  readonly killedMs: number;
}

export interface VigilDeps {
  readonly books: Books;
  readonly clouds: ReadonlyMap<string, SimulatedCloud>;
  readonly nowMs: () => number;
  /** Since when a launcher with that pool has been at work without a break; null: none is. */
  readonly servedSinceMs: (provider: string, pool: string | null) => number | null;
  readonly broken: (promise: PromiseName, message: string) => void;
}

export class Vigil {
  private readonly deps: VigilDeps;
  private readonly scenario: Scenario;
  /** Instances that no node speaks of, and since when. */
  private readonly strays = new Map<string, number>();
  private underWay: LaunchUnderWay[] = [];
  hangsSinceMs: number | null = null;

  constructor(deps: VigilDeps, scenario: Scenario) {
    this.deps = deps;
    this.scenario = scenario;
  }

  /** A launcher has just been killed. */
  killed(name: string): void {
    if (this.scenario.theme !== 'kill') return;
    for (const node of this.deps.books.liveNodes()) {
      const requestId = allocatedTo(node.document);
      const id = externalId(node.document);
      if (
        stateOf(node.document) !== 'building' ||
        id === null ||
        requestId === null ||
        !node.document['nodepool_machine']
      )
        continue;
      if (holderOf(node.contenders) !== name) continue;
      const provider = textOf(node.document, 'provider')!;
      const pool = textOf(node.document, 'pool')!;
      const killedMs = this.deps.nowMs();
      // Whoever held it after an earlier death is out of the count: the clock starts anew.
      this.underWay = this.underWay.filter((launch) => launch.node !== node);
      this.underWay.push({ node, requestId, externalId: id, provider, pool, killedMs });
    }
  }

  tick(): void {
    const { scenario } = this;
    this.watchStrays();
    if (scenario.theme === 'calm') this.watchAnswers();
    if (scenario.theme === 'hang') this.watchOtherProviders();
    if (scenario.theme === 'kill') this.watchTakeOvers();
  }

  /** The last look: what is not as it should be when nothing is going on any more. */
  unrest(): { readonly promise: PromiseName; readonly message: string } | null {
    const { scenario } = this;
    const { books, clouds } = this.deps;
    for (const request of books.liveRequests())
      return {
        promise: 'P5',
        message: `request ${request.id} of ${request.by} is ${stateOf(request.document)}: ${JSON.stringify(request.document)}`,
      };
    const ready = new Map<string, number>();
    for (const node of books.liveNodes()) {
      const state = stateOf(node.document);
      const holder = holderOf(node.contenders);
      const what = `node ${node.id} is ${state}, allocated to ${allocatedTo(node.document) ?? 'nobody'}`;
      if (state !== 'ready' || allocatedTo(node.document) !== null) return { promise: 'P5', message: what };
      if (holder !== null) return { promise: 'P5', message: `${what}, locked by ${holder}` };
      const cloud = clouds.get(cloudOf(scenario, textOf(node.document, 'provider')));
      if (!cloud?.has(externalId(node.document) ?? ''))
        return { promise: 'P2', message: `${what}, without its instance` };
      for (const label of node.document['type'] as string[]) ready.set(label, (ready.get(label) ?? 0) + 1);
    }
    for (const cloud of clouds.values()) {
      for (const instance of cloud.instances()) {
        if (!this.isRecorded(instance, true))
          return { promise: 'P4', message: `instance ${instance.id} of ${cloud.name} has no node` };
      }
    }
    for (const request of books.requests.values())
      if (request.contenders.size > 0) return { promise: 'P5', message: `request ${request.id} is locked for ever` };
    for (const [label, least] of Object.entries(scenario.plan.minReady)) {
      if ((ready.get(label) ?? 0) < least) return { promise: 'P5', message: `less than ${least} ${label} in stock` };
    }
    return null;
  }

  private isRecorded(instance: CloudInstance, exactly: boolean): boolean {
    const node = this.deps.books.nodes.get(instance.metadata['nodepool_node_id'] ?? '');
    if (!node?.document) return false;
    return !exactly || externalId(node.document) === instance.id;
  }

  private watchStrays(): void {
    const { scenario } = this;
    const { clouds, nowMs } = this.deps;
    const now = nowMs();
    for (const cloud of clouds.values()) {
      for (const instance of cloud.instances()) {
        const isQuiet = scenario.theme === 'calm' || scenario.theme === 'reload';
        if (isQuiet && now - instance.createdMs > recordBoundMs && !this.isRecorded(instance, true))
          this.deps.broken('P4', `the id of instance ${instance.id} is not stored`);
        if (this.isRecorded(instance, false)) this.strays.delete(instance.id);
        else if (!this.strays.has(instance.id)) this.strays.set(instance.id, now);
      }
    }
    for (const [id, sinceMs] of this.strays) {
      const found = [...clouds.values()].flatMap((cloud) => [...cloud.instances()].filter((i) => i.id === id))[0];
      if (!found) {
        this.strays.delete(id);
        continue;
      }
      if (scenario.theme === 'turmoil' || scenario.theme === 'hang') continue;
      const servedMs = this.deps.servedSinceMs(found.metadata['nodepool_provider_name'] ?? '', null);
      if (servedMs !== null && now - Math.max(sinceMs, servedMs) > strayBoundMs)
        this.deps.broken('P4', `instance ${id} has had no node for ${Math.round((now - sinceMs) / 1000)} s`);
    }
  }

  private watchAnswers(): void {
    const now = this.deps.nowMs();
    for (const request of this.deps.books.liveRequests()) {
      const state = stateOf(request.document);
      if (state !== 'requested' && state !== 'pending') continue;
      if (now - request.madeMs > answerBoundMs)
        this.deps.broken(
          'P5',
          `request ${request.id} has been ${state} for ${Math.round((now - request.madeMs) / 1000)} s`,
        );
    }
  }

  private watchOtherProviders(): void {
    if (this.hangsSinceMs === null) return;
    const now = this.deps.nowMs();
    for (const request of this.deps.books.liveRequests()) {
      const state = stateOf(request.document);
      const isElsewhere = (request.document['node_types'] as string[]).every((label) => label === 'special');
      if (!isElsewhere || (state !== 'requested' && state !== 'pending')) continue;
      if (now - request.madeMs > otherProviderBoundMs)
        this.deps.broken('P6', `request ${request.id}, of which the hanging cloud knows nothing, is ${state}`);
    }
  }

  private watchTakeOvers(): void {
    const { scenario } = this;
    const { books, nowMs } = this.deps;
    const now = nowMs();
    this.underWay = this.underWay.filter((launch) => {
      const { node, requestId } = launch;
      if (!books.exists(requestId) || stateOf(books.requests.get(requestId)!.document) === 'fulfilled') return false;
      if (!node.document || externalId(node.document) !== launch.externalId) {
        const served = this.deps.servedSinceMs(launch.provider, launch.pool);
        if (served !== null && served < launch.killedMs)
          this.deps.broken('P9', `the launch of node ${node.id} was thrown away when its launcher died`);
        return false;
      }
      const servedMs = this.deps.servedSinceMs(launch.provider, launch.pool);
      if (servedMs === null) return true;
      const dueMs = Math.max(launch.killedMs, servedMs) + scenario.sessionTimeoutMs + takeOverStepMs;
      if (now < dueMs) return true;
      if (holderOf(node.contenders) === null && stateOf(node.document) === 'building')
        this.deps.broken(
          'P9',
          `nobody goes on with node ${node.id}, whose launcher died at ${Math.round(launch.killedMs)}`,
        );
      return false;
    });
  }
}

export function cloudOf(scenario: Scenario, provider: string | null): string {
  return scenario.plan.providers.find((plan) => plan.name === provider)?.cloud ?? '';
}
