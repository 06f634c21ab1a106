/** The static driver: an inventory of hosts that exist already. Launches and deletes nothing. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type {
  Adapter,
  AdapterContext,
  CreateStep,
  DeleteStep,
  ExternalId,
  HostCheck,
  Inventory,
  InventoryHost,
  Json,
  ListedInstance,
} from '../../provider/adapter.ts';
import { PermanentError, ProviderError } from '../../provider/errors.ts';
import { checkReachable, gathersKeys, scanHostKeys } from '../../provider/host-key-scan.ts';
import type { StaticHost, StaticPoolSettings } from './config.ts';

const aliveCacheMs = 3000;

export class StaticAdapter implements Adapter {
  readonly inventory: Inventory;
  private readonly context: AdapterContext;
  private readonly configured = new Map<InventoryHost, StaticHost>();
  private readonly alive = new Map<string, { untilMs: number; result: Promise<void> }>();

  constructor(context: AdapterContext) {
    this.context = context;
    for (const pool of context.provider.pools.values()) {
      for (const host of (pool.settings as StaticPoolSettings).hosts) {
        this.configured.set(
          {
            poolName: pool.name,
            name: host.name,
            username: host.username,
            connectionPort: host.port,
            connectionType: host.connectionType,
            pythonPath: host.pythonPath,
            shellType: host.shellType,
            labels: host.labels,
            slots: host.slots,
            nodeAttributes: pool.nodeAttributes as { readonly [key: string]: Json } | null,
          },
          host,
        );
      }
    }
    this.inventory = {
      hosts: [...this.configured.keys()],
      check: (host, signal) => this.check(this.configured.get(host)!, signal),
      alive: (host) => this.isAlive(this.configured.get(host)!),
    };
  }

  private async check(host: StaticHost, signal: AbortSignal): Promise<HostCheck> {
    return { hostKeys: await this.keysOf(host, signal), ...(await addressOf(host.name)) };
  }

  private async keysOf(host: StaticHost, signal: AbortSignal): Promise<readonly string[]> {
    const ssh = gathersKeys(host.connectionType);
    if (ssh && !host.hostKeyChecking) return host.hostKeys;
    const target = { address: host.name, port: host.port, connectionType: host.connectionType };
    const scanned = await scanHostKeys(target, { timeoutMs: host.timeoutMs, signal, runtime: this.context.runtime });
    const missing = ssh ? host.hostKeys.filter((key) => !scanned.includes(key)) : [];
    if (missing.length > 0) {
      throw new ProviderError('keyscan', `${host.name} port ${host.port} shows other host keys than configured: ${scanned.join(', ')}`);
    }
    return scanned;
  }

  /** All slots of a host share one look, which is good for a few seconds. */
  private isAlive(host: StaticHost): Promise<void> {
    if (!host.hostKeyChecking) return Promise.resolve();
    const key = `${host.name}\n${host.port}`;
    const now = this.context.runtime.monotonicMs();
    const known = this.alive.get(key);
    if (known && known.untilMs > now) return known.result;
    const target = { address: host.name, port: host.port, connectionType: host.connectionType };
    const result = checkReachable(target, host.timeoutMs);
    this.alive.set(key, { untilMs: now + aliveCacheMs, result });
    // A host that did not answer is looked at anew the next time.
    result.catch(() => this.alive.delete(key));
    return result;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  beginCreate(): Json {
    throw new PermanentError('the static driver launches nothing');
  }

  advanceCreate(): Promise<CreateStep<Json>> {
    return Promise.reject(new PermanentError('the static driver launches nothing'));
  }

  beginDelete(externalId: ExternalId): Json {
    return externalId;
  }

  advanceDelete(): Promise<DeleteStep<Json>> {
    return Promise.resolve({ done: true });
  }

  listInstances(): Promise<readonly ListedInstance[]> {
    return Promise.resolve([]);
  }

  listResources(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  deleteResource(): Promise<void> {
    return Promise.resolve();
  }

  quotaLimits(): Promise<Record<string, number>> {
    return Promise.resolve({});
  }

  quotaForLabel(): Promise<Record<string, number>> {
    return Promise.resolve({ instances: 1 });
  }

  availabilityZones(): Promise<readonly [null]> {
    return Promise.resolve([null]);
  }

  labelReady(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

async function addressOf(name: string): Promise<{ publicIpv4: string | null; publicIpv6: string | null }> {
  if (name.includes('fake')) return { publicIpv4: null, publicIpv6: null };
  const address = isIP(name) ? name : (await lookup(name)).address;
  return isIP(address) === 6 ? { publicIpv4: null, publicIpv6: address } : { publicIpv4: address, publicIpv6: null };
}
