/**
 * What the three drivers have in common: one connection to a cluster, watches, waiting for a pod, deleting an object that is
 * ours, finding what leaked.
 */
import type { CloudResource, DeleteStep, ListedInstance, StepContext, Wait } from '../../driver-kit/contract.ts';
import type { Resources } from '../../base/resources.ts';
import type { PoolLabelConfig } from '../../config/model.ts';
import { AdapterDefaults } from '../../driver-kit/adapter-defaults.ts';
import { ProviderError } from '../../driver-kit/errors.ts';
import type { Trouble } from '../../base/trouble.ts';
import { ClusterAccess } from './access.ts';
import { hasStatus } from './api-error.ts';
import { KubeApi } from './api.ts';
import { launchAnnotation, ownMetadata } from './metadata.ts';
import type { KubeObject } from './objects.ts';
import { ObjectWatch } from './object-watch.ts';
import { podCondition } from './pod-status.ts';
import type { FamilyContext, FamilyLabelSettings, FamilySettings } from './config.ts';

/** A deletion under way; `uid` as soon as it is known which object was told to go. */
export type DeleteState = {
  readonly id: string;
  readonly uid: string | null;
  /** How often it was looked for since. */
  readonly looks: number;
};

/** One object and where news of it come from. */
export interface ObjectPlace {
  readonly path: string;
  readonly name: string;
  readonly namespace: string | null;
  readonly watch: ObjectWatch | null;
}

const podLimitMs = 300_000;
/** An event may have been missed after all. */
const safetyLookMs = 15_000;
const longestLookMs = 5000;

export abstract class ClusterAdapter extends AdapterDefaults {
  /** Its name tells a repeated creation from another one. */
  readonly createIsIdempotent = true;
  readonly attemptsHaveOwnNames = true;
  protected readonly context: FamilyContext;
  private readonly watches: ObjectWatch[] = [];
  private connected: KubeApi | null = null;

  constructor(context: FamilyContext) {
    super();
    this.context = context;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { runtime, env } = this.context;
    const api = new KubeApi(new ClusterAccess({ runtime }, { context: this.settings.context, env }), runtime);
    this.connected = api;
    await this.connect(api, signal);
    for (const watch of this.watches) watch.start();
  }

  async stop(): Promise<void> {
    for (const watch of this.watches.splice(0)) watch.stop();
    this.connected?.access.close();
    this.connected = null;
  }

  *troubles(): Iterable<Trouble> {
    for (const watch of this.watches) yield* watch.troubles();
  }

  async quotaForLabel(label: PoolLabelConfig<FamilyLabelSettings>): Promise<Resources> {
    const { nameProblem, resources } = label.settings;
    if (nameProblem !== null) throw new ProviderError('permanent', `label ${label.name}: the name ${nameProblem}`);
    for (const pool of this.context.provider.pools.values()) {
      const problem = pool.settings.nameProblem;
      if (pool.labels.get(label.name) !== label || problem === null) continue;
      throw new ProviderError('permanent', `pool ${pool.name}: the name ${problem}`);
    }
    return resources;
  }

  async listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const objects = await this.listOwn(signal);
    return objects.map(({ id, object }) => {
      const metadata = this.marksOf(object);
      return { externalId: id, metadata, resources: this.needOf(metadata), native: object };
    });
  }

  async listResources(signal: AbortSignal): Promise<readonly CloudResource[]> {
    const objects = await this.listOwn(signal);
    return objects.map(({ id, object }) => ({ type: 'node', id, metadata: this.marksOf(object) }));
  }

  /** First look at the cluster: is it there, does it know us? */
  protected abstract connect(api: KubeApi, signal: AbortSignal): Promise<void>;
  /** What carries our mark and was not told to go. */
  protected abstract listOwn(
    signal: AbortSignal,
  ): Promise<readonly { readonly id: string; readonly object: KubeObject }[]>;

  protected get settings(): FamilySettings {
    return this.context.provider.settings;
  }

  protected get api(): KubeApi {
    if (!this.connected) throw new ProviderError('unknown', 'the driver is not started');
    return this.connected;
  }

  /** Everything that carries the provider's name. */
  protected get ownSelector(): string {
    return `nodepool_provider_name=${this.context.provider.name}`;
  }

  /** To be called while connecting, or to be started by the caller. */
  protected addWatch(api: KubeApi, path: string, what: string, selector = this.ownSelector): ObjectWatch {
    const { runtime, log, provider } = this.context;
    const watch = new ObjectWatch({ api, runtime, log }, { path, what, provider: provider.name, selector });
    this.watches.push(watch);
    return watch;
  }

  protected dropWatch(watch: ObjectWatch): void {
    const at = this.watches.indexOf(watch);
    if (at >= 0) this.watches.splice(at, 1);
    watch.stop();
  }

  protected mayList(error: unknown, what: string): void {
    if (!hasStatus(error, 403)) throw error;
    const { provider, log } = this.context;
    log.warn({ provider: provider.name, err: error }, `${what} may not be listed: what leaks is not found`);
  }

  /** Passes once the pod's containers run; how it is otherwise says `wait`. `sinceMs`: when the waiting began. */
  protected async awaitPod(
    place: ObjectPlace,
    sinceMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly machine: string | null } | { readonly wait: Wait }> {
    const pod = await this.look(place, signal);
    const condition = podCondition(pod);
    if (condition.kind === 'running') return { machine: condition.machine };
    if (condition.kind === 'failed') throw new ProviderError('status', `pod ${place.name}: ${condition.why}`);
    const waitedMs = this.context.runtime.nowMs() - sinceMs;
    if (waitedMs >= podLimitMs) {
      const why = `pod ${place.name} does not run after ${podLimitMs / 1000} s: ${condition.why}`;
      throw condition.unschedulable ? new ProviderError('capacity', why) : new ProviderError('timeout', why);
    }
    return { wait: this.podNews(place, pod, waitedMs, signal, condition.why) };
  }

  /** Waits for the next thing to happen to it: told by the watch, or by looking again, more rarely as time goes by. */
  protected podNews(
    place: ObjectPlace,
    seen: KubeObject,
    waitedMs: number,
    signal: AbortSignal,
    why = 'created',
  ): Wait {
    const what = `pod ${place.name} to run (${why})`;
    const limitMs = Math.min(safetyLookMs, podLimitMs - waitedMs);
    if (place.watch?.live) return { kind: 'event', promise: place.watch.changed(seen, limitMs, signal), what };
    return { kind: 'delay', ms: Math.min(1000, Math.max(200, waitedMs / 2)), what };
  }

  /**
   * One step of a deletion. Only what carries our provider's name is told to go: a name alone proves nothing, somebody else
   * may have had it first. Ends when the object has gone, however long it takes. `seen`: it was just looked at.
   */
  protected async advanceDeleteOf(
    place: ObjectPlace,
    state: DeleteState,
    { signal, log }: StepContext,
    seen: KubeObject | null = null,
  ): Promise<DeleteStep<DeleteState>> {
    if (state.uid !== null && place.watch?.live && place.watch.sawEndOf(state.uid)) return { done: true };
    const object = seen ?? (await this.find(place, signal));
    if (!object || (state.uid !== null && object.uid !== state.uid)) return { done: true };
    if (!this.isOurs(object)) {
      const { name: provider } = this.context.provider;
      log.warn({ provider, name: place.name }, 'An object is left alone: it is not of this provider');
      return { done: true };
    }
    if (!object.terminating) {
      try {
        await this.api.delete(place.path, object.uid, signal);
      } catch (error) {
        if (hasStatus(error, 404)) return { done: true };
        // Another object has this name by now: it is looked at anew.
        if (!hasStatus(error, 409)) throw error;
      }
    }
    const looks = state.looks + 1;
    const what = `${place.name} to be gone`;
    const wait: Wait = place.watch?.live
      ? { kind: 'event', promise: place.watch.changed(object, safetyLookMs, signal), what }
      : { kind: 'delay', ms: Math.min(longestLookMs, 500 * looks), what };
    return { done: false, state: { ...state, uid: object.uid, looks }, wait };
  }

  /** As the watch knows it, or as the server answers. */
  protected look(place: ObjectPlace, signal: AbortSignal): Promise<KubeObject> {
    const known = place.watch?.live ? place.watch.get(place.name, place.namespace) : undefined;
    return known ? Promise.resolve(known) : this.api.get(place.path, signal);
  }

  /** null: it is not there. */
  private async find(place: ObjectPlace, signal: AbortSignal): Promise<KubeObject | null> {
    try {
      return await this.look(place, signal);
    } catch (error) {
      if (await this.isGone(error, place, signal)) return null;
      throw error;
    }
  }

  /** Does this answer to a look at it mean that it is there no more? */
  protected abstract isGone(error: unknown, place: ObjectPlace, signal: AbortSignal): Promise<boolean>;

  /** What says whose it is. */
  protected marksOf(object: KubeObject): Readonly<Record<string, string>> {
    return ownMetadata(object);
  }

  protected isOurs(object: KubeObject): boolean {
    return this.marksOf(object)['nodepool_provider_name'] === this.context.provider.name;
  }

  /** Makes the object at the place; one that is there already is taken only if an earlier try of this launch made it. */
  protected async makeOnce(
    place: ObjectPlace,
    launch: string,
    signal: AbortSignal,
    create: () => Promise<KubeObject>,
  ): Promise<KubeObject> {
    try {
      return await create();
    } catch (error) {
      if (!hasStatus(error, 409)) throw error;
      const there = await this.api.get(place.path, signal);
      if (there.terminating || ownMetadata(there)[launchAnnotation] !== launch) throw error;
      return there;
    }
  }

  /** Of a leak that was found by its marks; it may have gone, or be another one by now. */
  protected async deleteLeaked(place: ObjectPlace, signal: AbortSignal): Promise<void> {
    const object = await this.find(place, signal);
    if (!object || object.terminating || !this.isOurs(object)) return;
    try {
      await this.api.delete(place.path, object.uid, signal);
    } catch (error) {
      if (!hasStatus(error, 404, 409)) throw error;
    }
  }

  private needOf(metadata: Readonly<Record<string, string>>): Resources {
    const pool = this.context.provider.pools.get(metadata['nodepool_pool_name'] ?? '');
    const label = pool?.labels.get(metadata['nodepool_node_label'] ?? '');
    return label ? label.settings.resources : { instances: 1 };
  }
}
