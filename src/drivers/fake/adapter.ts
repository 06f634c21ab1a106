/** The fake driver: OpenStack's configuration on a cloud in memory or on one that runs as a process of its own. */
import type { PoolLabelConfig } from '../../config/model.ts';
import type {
  Adapter,
  AdapterContext,
  CloudResource,
  CreateStep,
  DeleteStep,
  ExternalId,
  Instance,
  LaunchSpec,
  ListedInstance,
  QuotaLimits,
} from '../../provider/adapter.ts';
import { CapacityError, NotFoundError, PermanentError, ProviderError, QuotaError } from '../../provider/errors.ts';
import { sleep } from '../../runtime.ts';
import type { CreateAnswer, FakeServerSpec } from './cloud.ts';
import { FakeCloud } from './cloud.ts';
import type { FakeLabelSettings, FakePoolSettings, FakeSettings } from './config.ts';
import type { CloudPort } from './cloud-port.ts';
import { RemoteCloud } from './remote-cloud.ts';
import { followSideChannel } from './side-channel.ts';

type State = { readonly token: string; readonly id?: string };

const flavors = ['Fake Flavor', 'Unreal Flavor'];
const flavorResources = { cores: 4, instances: 1, ram: 8192 };
const ipv6Network = 'fake-ipv6-network-name';
const privateNetwork = 'no-auto-ip-network-name';
/** A server that is not active in time is looked at this often. */
const lookAgainMs = 1000;

export class FakeAdapter implements Adapter<State> {
  private readonly context: AdapterContext;
  private readonly settings: FakeSettings;
  private readonly cloud: CloudPort;
  private readonly stopSideChannel: (() => void) | null = null;

  constructor(context: AdapterContext) {
    this.context = context;
    this.settings = context.provider.settings as FakeSettings;
    if (this.settings.address !== null) {
      this.cloud = new RemoteCloud(this.settings.address, this.settings.account);
      return;
    }
    const cloud = new FakeCloud(context.runtime);
    cloud.bootDelayMs = this.settings.bootDelayMs;
    cloud.deleteDelayMs = this.settings.deleteDelayMs;
    cloud.faults.failureRate = this.settings.failureRate;
    cloud.capacity = this.settings.capacity;
    cloud.quota = { ...this.settings.quota };
    this.cloud = localPort(cloud, context);
    const directory = context.env['NODEPOOL_TEST_FAKE_CLOUD'];
    if (directory !== undefined && directory !== '') {
      this.stopSideChannel = followSideChannel(directory, context.provider.name, cloud, context.runtime, context.log);
    }
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.stopSideChannel?.();
    return Promise.resolve();
  }

  beginCreate(spec: LaunchSpec): State {
    return { token: `${this.context.provider.name}/${spec.nodeId}/${spec.attempt}` };
  }

  async advanceCreate(state: State, spec: LaunchSpec, { signal }: { signal: AbortSignal }): Promise<CreateStep<State>> {
    if (state.id === undefined) {
      if (this.settings.createDelayMs > 0) await sleep(this.context.runtime, this.settings.createDelayMs, signal);
      const answer = await this.cloud.create(this.serverSpec(state, spec), signal);
      if ('error' in answer) throw refusal(answer);
      const { id } = answer.server;
      const waitMs = await this.cloud.activeInMs(id, signal);
      return { done: false, state: { ...state, id }, externalId: id, wait: this.waitFor(waitMs) };
    }
    const waitMs = await this.cloud.activeInMs(state.id, signal);
    if (waitMs === undefined)
      throw new ProviderError('status', `server ${state.id} has gone or failed`, { externalId: state.id });
    if (waitMs === null || waitMs > 0) return { done: false, state, wait: this.waitFor(waitMs) };
    return { done: true, instance: this.instance(state.id, spec) };
  }

  beginDelete(externalId: ExternalId): State {
    return { token: '', id: typeof externalId === 'string' ? externalId : JSON.stringify(externalId) };
  }

  async advanceDelete(state: State, { signal }: { signal: AbortSignal }): Promise<DeleteStep<State>> {
    if (!(await this.cloud.delete(state.id!, signal))) throw new NotFoundError(`there is no server ${state.id}`);
    return { done: true };
  }

  async listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const servers = await this.cloud.list(signal);
    return servers.map((s) => ({ externalId: s.id, metadata: s.metadata, resources: s.resources, native: s }));
  }

  async listResources(signal: AbortSignal): Promise<readonly CloudResource[]> {
    const servers = await this.cloud.list(signal);
    return servers.map((s) => ({ type: 'instance', id: s.id, metadata: s.metadata }));
  }

  async deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void> {
    await this.cloud.delete(resource.id, signal);
  }

  quotaLimits(signal: AbortSignal): Promise<QuotaLimits> {
    return this.cloud.quota(signal);
  }

  quotaForLabel(label: PoolLabelConfig): Promise<Record<string, number>> {
    const settings = label.settings as FakeLabelSettings;
    const { flavorName, minRam, volumeGb } = settings;
    const fits = flavors.some((f) => flavorName === null || (minRam > 0 ? f.includes(flavorName) : f === flavorName));
    if (!fits || minRam > flavorResources.ram) {
      return Promise.reject(
        new PermanentError(`no flavor for label ${label.name}: min-ram ${minRam}, flavor-name ${flavorName ?? 'any'}`),
      );
    }
    return Promise.resolve({ ...flavorResources, ...(volumeGb === null ? {} : { volumes: 1, 'volume-gb': volumeGb }) });
  }

  availabilityZones(signal: AbortSignal): Promise<readonly string[]> {
    return this.cloud.zones(signal);
  }

  async labelReady(label: PoolLabelConfig, signal: AbortSignal): Promise<boolean> {
    const { imageId, imageName } = label.settings as FakeLabelSettings;
    // An id is believed, as the Python driver does.
    return imageId !== null || imageName === null || this.cloud.hasImage(imageName, signal);
  }

  private waitFor(
    waitMs: number | null | undefined,
  ): { kind: 'event'; promise: Promise<void> } | { kind: 'delay'; ms: number } {
    if (waitMs === null || waitMs === undefined) return { kind: 'delay', ms: lookAgainMs };
    // Counted from now, so that what happens in between (storing the id) is not added to it.
    return { kind: 'event', promise: sleep(this.context.runtime, waitMs) };
  }

  private serverSpec(state: State, spec: LaunchSpec): FakeServerSpec {
    const settings = spec.label.settings as FakeLabelSettings;
    const pool = this.context.provider.pools.get(spec.poolName)?.settings as FakePoolSettings | undefined;
    const volume: Record<string, number> =
      settings.volumeGb === null ? {} : { volumes: 1, 'volume-gb': settings.volumeGb };
    return {
      token: state.token,
      name: spec.hostname,
      metadata: { ...stringValues(settings.properties), ...spec.metadata },
      securityGroups: pool?.securityGroups ?? [],
      zone: spec.availabilityZone ?? 'az1',
      ipv6: settings.networks.includes(ipv6Network),
      publicAddress: !settings.networks.includes(privateNetwork) && (pool?.autoFloatingIp ?? true),
      resources: { ...flavorResources, ...volume },
    };
  }

  private instance(id: string, spec: LaunchSpec): Instance {
    const s = this.serverSpec({ token: '' }, spec);
    return {
      externalId: id,
      interfaceIp: s.ipv6 ? 'fake_v6' : 'fake',
      publicIpv4: s.publicAddress ? 'fake' : '',
      privateIpv4: 'fake',
      publicIpv6: s.ipv6 ? 'fake_v6' : '',
      cloud: this.settings.cloud,
      region: this.settings.region,
      availabilityZone: s.zone,
      hostId: s.ipv6 ? 'fake_host_id' : 'fake',
      metadata: s.metadata,
      nodeProperties: {},
      resources: s.resources,
    };
  }
}

function refusal(answer: Extract<CreateAnswer, { error: string }>): ProviderError {
  const options = answer.serverId === undefined ? {} : { externalId: answer.serverId };
  if (answer.error === 'quota') return new QuotaError(answer.message, options);
  if (answer.error === 'capacity') return new CapacityError(answer.message, options);
  return new ProviderError('unknown', answer.message, options);
}

function stringValues(properties: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function localPort(cloud: FakeCloud, context: AdapterContext): CloudPort {
  const now = () => context.runtime.monotonicMs();
  return {
    create: (spec) => Promise.resolve(cloud.create(spec)),
    activeInMs: (id) => {
      const server = cloud.get(id);
      if (!server || server.status === 'ERROR' || server.status === 'DELETED') return Promise.resolve(undefined);
      if (server.status === 'ACTIVE') return Promise.resolve(0);
      return Promise.resolve(
        server.activeAtMs === Number.POSITIVE_INFINITY ? null : Math.max(0, server.activeAtMs - now()),
      );
    },
    list: () => Promise.resolve(cloud.list()),
    delete: (id) => Promise.resolve(cloud.delete(id)),
    quota: () => Promise.resolve({ ...cloud.quota }),
    zones: () => Promise.resolve([...cloud.zones]),
    hasImage: (name) => Promise.resolve(cloud.images.has(name)),
  };
}
