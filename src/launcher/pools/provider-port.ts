/** What the launcher needs of a provider; provider/provider.ts satisfies it. Tests put simple ones in its place. */
import type { PoolLabelConfig, ProviderConfig } from '../../config/model.ts';
import type { ExternalId, Instance, Inventory, Json, LaunchSpec } from '../../driver-kit/contract.ts';
import type { Resources } from '../../base/resources.ts';
import type { LabelStatus } from '../../scheduling/routing.ts';

interface LaunchOptions {
  /** Time for this attempt, host key scan not included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** State of a machine to go on with, stored by another launcher. */
  readonly resume?: Json;
  readonly resumeExternalId?: ExternalId;
  /** So long a creation goes on after the signal, until its id is stored. */
  readonly graceMs?: number;
  /** Awaited before the machine goes on, so that the id is stored before it can be lost. */
  readonly onExternalId: (id: ExternalId, state: Json) => Promise<void>;
}

export interface ProviderPort {
  readonly name: string;
  readonly config: ProviderConfig;
  readonly running: boolean;
  /** Why it is not running, or ''. */
  readonly stateReason: string;
  readonly inventory: Inventory | undefined;
  /** What a failed attempt left may still be going when the next one begins. */
  readonly attemptsHaveOwnNames?: boolean;
  /** Limits of the account less what others use there; null: not known yet. */
  limits(): Resources | null;
  /** `available` speaks of cloud images only; disk images are the launcher's to look up. */
  labelStatus(label: PoolLabelConfig): LabelStatus;
  zones(): readonly (string | null)[] | null;
  /** It does not stop before the returned function is called. */
  hold(): () => void;
  launch(spec: LaunchSpec, options: LaunchOptions): Promise<Instance>;
  /** Not found is success. */
  remove(externalId: ExternalId, options: { timeoutMs: number; signal: AbortSignal }): Promise<void>;
  scanHostKeys(
    target: { readonly address: string; readonly port: number; readonly connectionType: string },
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<readonly string[]>;
  /** The host keys of an instance that was just launched could not be read. */
  unreachable(externalId: ExternalId, signal: AbortSignal): Promise<void>;
  consoleLog(label: PoolLabelConfig, externalId: ExternalId, signal: AbortSignal): Promise<string | null>;
  /** The cloud has refused something for quota: what is known of it is out of date. */
  invalidateQuota(): void;
  /** Any of the synchronous answers above may have changed. */
  onChange(listener: () => void): () => void;
}
