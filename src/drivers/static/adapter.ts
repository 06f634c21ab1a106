/** The static driver: an inventory of hosts that exist already. Launches and deletes nothing (spec: static driver, 4). */
import { isIPv6 } from 'node:net';
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
} from '../../driver-kit/contract.ts';
import { CloudlessAdapterDefaults } from '../../driver-kit/adapter-defaults.ts';
import { ProviderError } from '../../driver-kit/errors.ts';
import { gathersKeys, HostKeyScanner, type ScanTarget } from '../../driver-kit/host-keys/scanner.ts';
import { ConnectivityError, resolveName } from '../../driver-kit/host-keys/connectivity.ts';
import type { StaticHost, StaticPoolSettings } from './config.ts';

type StaticContext = AdapterContext<null, StaticPoolSettings, null>;

/** A look at a host is good for all its slots, and for the next few requests. */
const aliveCacheMs = 3000;

export class StaticAdapter extends CloudlessAdapterDefaults implements Adapter {
  readonly inventory: Inventory;
  private readonly context: StaticContext;
  private readonly scanner: HostKeyScanner;
  private readonly stopping = new AbortController();
  private readonly settings = new Map<InventoryHost, StaticHost>();
  private readonly looks = new Map<string, { readonly untilMs: number; readonly result: Promise<void> }>();

  constructor(context: StaticContext) {
    super();
    this.context = context;
    this.scanner = new HostKeyScanner(context.runtime);
    this.readHosts();
    this.inventory = {
      hosts: [...this.settings.keys()],
      check: (host, signal) => this.check(this.settingsOf(host), signal),
      alive: (host) => this.alive(this.settingsOf(host)),
    };
  }

  /** Name, user and port are one machine: of two entries with the same ones only the last counts. */
  private readHosts(): void {
    const byIdentity = new Map<string, InventoryHost>();
    for (const pool of this.context.provider.pools.values()) {
      const nodeAttributes = pool.nodeAttributes as { readonly [key: string]: Json } | null;
      for (const host of pool.settings.hosts) {
        const {
          name,
          username,
          port: connectionPort,
          connectionType,
          pythonPath,
          shellType,
          labels,
          slots,
          timeoutMs,
        } = host;
        const identity = JSON.stringify([name, username, connectionPort]);
        const earlier = byIdentity.get(identity);
        if (earlier) {
          this.settings.delete(earlier);
          const fields = { provider: this.context.provider.name, host: name, username, port: connectionPort };
          this.context.log.warn(fields, 'A host is configured twice, only the last entry counts');
        }
        const one = {
          poolName: pool.name,
          name,
          username,
          connectionPort,
          connectionType,
          pythonPath,
          shellType,
          labels,
          slots,
          timeoutMs,
          nodeAttributes,
        };
        byIdentity.set(identity, one);
        this.settings.set(one, host);
      }
    }
  }

  private settingsOf(host: InventoryHost): StaticHost {
    const settings = this.settings.get(host);
    if (!settings) throw new ProviderError('permanent', `host ${host.name} is not in the configuration`);
    return settings;
  }

  private async check(host: StaticHost, outer: AbortSignal): Promise<HostCheck> {
    const signal = AbortSignal.any([outer, this.stopping.signal]);
    return { hostKeys: await this.keysOf(host, signal), ...(await this.addressOf(host, signal)) };
  }

  private async keysOf(host: StaticHost, signal: AbortSignal): Promise<readonly string[]> {
    const ssh = gathersKeys(host.connectionType);
    if (ssh && !host.hostKeyChecking) return host.hostKeys;
    const found = await this.scanner.scan(targetOf(host), { timeoutMs: host.timeoutMs, signal });
    const missing = ssh ? host.hostKeys.filter((key) => !found.includes(withoutComment(key))) : [];
    if (missing.length === 0) return found;
    const message = `${host.name} port ${host.port} does not have the configured host key; it has: ${found.join(', ')}`;
    throw new ConnectivityError('keys-differ', message);
  }

  /** The first address of the name, which is what a consumer's own look-up would give. */
  private async addressOf(host: StaticHost, signal: AbortSignal): Promise<Omit<HostCheck, 'hostKeys'>> {
    const none = { publicIpv4: null, publicIpv6: null };
    if (host.name.includes('fake')) return none;
    const timeout = new AbortController();
    const timer = this.context.runtime.setTimer(host.timeoutMs, () =>
      timeout.abort(
        new ConnectivityError('name', `the name ${host.name} is not resolved within ${host.timeoutMs / 1000} s`),
      ),
    );
    try {
      const [address] = await resolveName(host.name, AbortSignal.any([signal, timeout.signal]));
      if (address === undefined) return none;
      return isIPv6(address) ? { ...none, publicIpv6: address } : { ...none, publicIpv4: address };
    } finally {
      timer.cancel();
    }
  }

  private alive(host: StaticHost): Promise<void> {
    if (!host.hostKeyChecking) return Promise.resolve();
    const key = `${host.name} ${host.port}`;
    const now = this.context.runtime.monotonicMs();
    const known = this.looks.get(key);
    if (known && known.untilMs > now) return known.result;
    // Not the asker's signal: others wait for the same look.
    const result = this.scanner.reach(targetOf(host), { timeoutMs: host.timeoutMs, signal: this.stopping.signal });
    const look = { untilMs: now + host.timeoutMs + aliveCacheMs, result };
    this.looks.set(key, look);
    result.then(
      () => this.looks.set(key, { ...look, untilMs: this.context.runtime.monotonicMs() + aliveCacheMs }),
      // A host that did not answer is looked at anew the next time.
      () => this.looks.delete(key),
    );
    return result;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.stopping.abort(new Error(`provider ${this.context.provider.name} stops`));
    return Promise.resolve();
  }

  beginCreate(): Json {
    return null;
  }

  advanceCreate(): Promise<CreateStep<Json>> {
    return Promise.reject(new ProviderError('permanent', 'the static driver launches nothing'));
  }

  beginDelete(externalId: ExternalId): Json {
    return externalId;
  }

  advanceDelete(): Promise<DeleteStep<Json>> {
    return Promise.resolve({ done: true });
  }

  quotaForLabel(): Promise<Record<string, number>> {
    return Promise.resolve({ instances: 1 });
  }
}

function targetOf(host: StaticHost): ScanTarget {
  return { address: host.name, port: host.port, connectionType: host.connectionType };
}

/** As copied from a known_hosts or public key file, a key may end in a comment. */
function withoutComment(key: string): string {
  return key.trim().split(/\s+/).slice(0, 2).join(' ');
}
