/** What happens to what is served. Whoever depends on it follows, so that nobody here need know them. */
import { Emitter } from '../../base/emitter.ts';
import type { Provider } from '../../provider/provider.ts';
import type { ServedPool } from './served-pool.ts';

export class PoolEvents {
  /** A provider runs, for the first time or in the place of another one. */
  readonly providerServing = new Emitter<[provider: Provider]>();
  /** A provider has left the configuration. */
  readonly providerRemoved = new Emitter<[name: string]>();
  /** A provider has come up or failed; its labels, limits or zones are others. */
  readonly providerChanged = new Emitter();
  /** A pool is visible to all launchers: it may take requests. */
  readonly poolRegistered = new Emitter<[pool: ServedPool]>();
  /** A pool has left the configuration. */
  readonly poolRetired = new Emitter<[pool: ServedPool]>();
  /** The registered pools of all launchers are others. */
  readonly registryChanged = new Emitter();
  /** A request of a pool has begun or ended to wait, or has ended. */
  readonly waitingChanged = new Emitter();
  /** A cloud has begun to refuse something, and may be asked again after that many milliseconds. */
  readonly refused = new Emitter<[againInMs: number]>();
  /** Nodes of a tenant have gone: it has room for more. */
  readonly tenantFreed = new Emitter<[tenant: string]>();
}
