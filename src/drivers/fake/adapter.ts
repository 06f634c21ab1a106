/** The fake driver: OpenStack's configuration on a cloud in memory, or on one that runs as a process of its own. */
import type { PoolLabelConfig } from '../../config/model.ts';
import type {
  Adapter,
  AdapterContext,
  CloudImage,
  CloudResource,
  CreateStep,
  DeleteStep,
  ExternalId,
  Instance,
  LaunchSpec,
  ListedInstance,
  QuotaLimits,
  StepContext,
  Wait,
} from '../../driver-kit/contract.ts';
import { asProviderError, ProviderError } from '../../driver-kit/errors.ts';
import { formatRequestValues } from '../../driver-kit/request-format.ts';
import { sleep } from '../../base/runtime.ts';
import type { ServerSpec } from './cloud.ts';
import { type CloudPort, LocalCloud } from './cloud-port.ts';
import type { FakeLabelSettings, FakePoolSettings, FakeSettings } from './config.ts';
import { addressesOf, resourcesOf } from './flavors.ts';
import { RemoteCloud } from './remote-cloud.ts';
import { SideChannel } from './side-channel.ts';

type FakeContext = AdapterContext<FakeSettings, FakePoolSettings, FakeLabelSettings>;
type FakeLabel = PoolLabelConfig<FakeLabelSettings>;
type FakeSpec = LaunchSpec<FakeLabelSettings>;

/** A creation that may have been asked for already, or a server that exists. */
type State = { readonly token: string } | { readonly id: string };

/** A server that is not active, or not gone, when it should be is looked at this often. */
const lookAgainMs = 1000;
const defaultZone = 'az1';

/** Whoever steers the cloud through files needs this long for a change to be in force; a creation must not overtake it. */
const steeringDelayMs = 200;

export class FakeAdapter implements Adapter<State, FakeLabelSettings> {
  readonly createIsIdempotent = true;
  private readonly context: FakeContext;
  private readonly settings: FakeSettings;
  private port: CloudPort | null = null;
  private sideChannel: SideChannel | null = null;

  constructor(context: FakeContext) {
    this.context = context;
    this.settings = context.provider.settings;
  }

  get imageCheckMs(): number {
    return this.sideChannel?.imageCheckMs ?? 300_000;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { runtime, provider, env, log } = this.context;
    if (this.settings.address !== null) {
      this.port = new RemoteCloud(this.settings.address, this.settings.account);
      await this.port.quota(signal);
      return;
    }
    const local = new LocalCloud(runtime, provider.name);
    this.port = local;
    const { bootDelayMs, deleteDelayMs, failureRate, capacity, quota } = this.settings;
    Object.assign(local.cloud, { bootDelayMs, deleteDelayMs, capacity, quota });
    local.cloud.faults.failureRate = failureRate;
    const directory = env['NODEPOOL_TEST_FAKE_CLOUD'];
    if (directory === undefined || directory === '') return;
    const channel = new SideChannel({ cloud: local.cloud, runtime, log }, { directory, provider: provider.name });
    this.sideChannel = channel;
    local.beforeCall = () => channel.read();
  }

  async stop(): Promise<void> {
    this.sideChannel?.stop();
    await this.port?.close();
    this.port = null;
  }

  beginCreate(spec: FakeSpec): State {
    return { token: `${this.context.provider.name}/${spec.nodeId}/${spec.attempt}` };
  }

  async advanceCreate(state: State, spec: FakeSpec, { signal }: StepContext): Promise<CreateStep<State>> {
    if ('token' in state) {
      const delayMs = Math.max(this.settings.createDelayMs, this.sideChannel ? steeringDelayMs : 0);
      if (delayMs > 0) await sleep(this.context.runtime, delayMs, signal);
      const { id, activeInMs } = await this.cloud.create(this.serverSpec(state.token, spec), signal);
      return { done: false, state: { id }, externalId: id, wait: this.due(activeInMs) };
    }
    const look = await this.cloud.look(state.id, signal);
    switch (look.state) {
      case 'active':
        return { done: true, instance: this.instance(state.id, spec) };
      case 'building':
        return { done: false, state, externalId: state.id, wait: this.due(look.inMs) };
      default:
        throw new ProviderError('status', `server ${state.id} is ${look.state}`, { externalId: state.id });
    }
  }

  beginDelete(externalId: ExternalId): State {
    return { id: typeof externalId === 'string' ? externalId : JSON.stringify(externalId) };
  }

  async advanceDelete(state: State, { signal }: StepContext): Promise<DeleteStep<State>> {
    if (!('id' in state)) return { done: true };
    const goneInMs = await this.cloud.delete(state.id, signal);
    if (goneInMs === 0) return { done: true };
    return { done: false, state, wait: this.due(goneInMs) };
  }

  async listInstances(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const servers = await this.servers(signal);
    return servers.map((s) => ({ externalId: s.id, metadata: s.metadata, resources: s.resources, native: s }));
  }

  async listResources(signal: AbortSignal): Promise<readonly CloudResource[]> {
    const servers = await this.servers(signal);
    return servers.map((s) => ({ type: 'instance', id: s.id, metadata: s.metadata }));
  }

  async deleteResource(resource: CloudResource, signal: AbortSignal): Promise<void> {
    await this.cloud.delete(resource.id, signal).catch((error: unknown) => {
      if (asProviderError(error).code !== 'not-found') throw error;
    });
  }

  quotaLimits(signal: AbortSignal): Promise<QuotaLimits> {
    return this.cloud.quota(signal);
  }

  async quotaForLabel(label: FakeLabel): Promise<Record<string, number>> {
    return resourcesOf(label.name, label.settings);
  }

  availabilityZones(signal: AbortSignal): Promise<readonly string[]> {
    return this.cloud.zones(signal);
  }

  async labelReady(label: FakeLabel, signal: AbortSignal): Promise<boolean> {
    const { imageId, imageName } = label.settings;
    // An id is believed, not looked up.
    if (imageId !== null || imageName === null) return true;
    return (await this.cloud.images(signal)).some(({ name }) => name === imageName);
  }

  listImages(signal: AbortSignal): Promise<readonly CloudImage[]> {
    return this.cloud.images(signal);
  }

  private get cloud(): CloudPort {
    if (!this.port) throw new ProviderError('unknown', 'the driver is not started');
    return this.port;
  }

  private async servers(signal: AbortSignal) {
    if (this.settings.listDelayMs > 0) await sleep(this.context.runtime, this.settings.listDelayMs, signal);
    return (await this.cloud.list(signal)).filter((server) => server.status !== 'DELETED');
  }

  /** Counted from now on, so that what happens before the machine waits (storing the id) does not come on top. */
  private due(inMs: number | null): Wait {
    if (inMs === null) return { kind: 'delay', ms: lookAgainMs };
    const { runtime } = this.context;
    // Rounded up: looking a moment too early would cost another round.
    const promise = new Promise<void>((resolve) => runtime.setBackgroundTimer(Math.ceil(inMs), resolve));
    return { kind: 'event', promise };
  }

  private serverSpec(token: string, spec: FakeSpec): ServerSpec {
    const { provider, log } = this.context;
    const settings = spec.label.settings;
    const pool = provider.pools.get(spec.poolName)?.settings;
    return {
      token,
      name: spec.hostname,
      metadata: {
        groups: [provider.name, spec.label.image?.name ?? '', spec.label.name].join(','),
        ...asText(settings.properties),
        ...formatRequestValues(settings.dynamicProperties, spec.request, log),
        ...spec.metadata,
      },
      securityGroups: pool?.securityGroups ?? [],
      zone: spec.availabilityZone ?? defaultZone,
      resources: resourcesOf(spec.label.name, settings),
    };
  }

  private instance(externalId: string, spec: FakeSpec): Instance {
    const settings = spec.label.settings;
    const pool = this.context.provider.pools.get(spec.poolName)?.settings;
    return {
      externalId,
      ...addressesOf(settings.networks, pool?.autoFloatingIp ?? true),
      cloud: this.settings.cloud,
      region: this.settings.region,
      availabilityZone: spec.availabilityZone ?? defaultZone,
      metadata: { ...spec.metadata },
      nodeProperties: {},
      resources: resourcesOf(spec.label.name, settings),
    };
  }
}

function asText(properties: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(properties);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
