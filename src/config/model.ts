/** The shapes of the loaded configuration, which the rest of the program works with. They know nothing of files and schemas. */
import type { z } from 'zod';
import type { Resources } from '../base/resources.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface NodepoolConfig {
  readonly zookeeper: {
    /** Empty: the embedded coordinator is used. */
    readonly servers: readonly { readonly host: string; readonly port: number }[];
    readonly chroot: string;
    readonly tls: TlsFiles | null;
    readonly sessionTimeoutMs: number;
  };
  readonly coordinator: {
    readonly dataDir: string;
    readonly listen: string;
    readonly port: number | null;
    readonly tlsPort: number | null;
    readonly tls: TlsFiles | null;
  };
  readonly webapp: { readonly port: number; readonly listenAddress: string };
  readonly labels: ReadonlyMap<string, LabelConfig>;
  readonly diskimages: ReadonlyMap<string, DiskImageConfig>;
  readonly providers: ReadonlyMap<string, ProviderConfig>;
  readonly tenantLimits: ReadonlyMap<string, Resources>;
  /** 0: for ever. */
  readonly maxHoldAgeMs: number;
}

export interface LabelConfig {
  readonly name: string;
  readonly minReady: number;
  /** 0: for ever. */
  readonly maxReadyAgeMs: number;
}

/** A disk image that is built, with the values of its parents merged in. */
export interface DiskImageConfig {
  readonly name: string;
  readonly username: string;
  readonly pythonPath: string;
  readonly shellType: string | null;
  readonly elements: readonly string[];
  readonly envVars: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Formats besides those that providers need. */
  readonly formats: readonly string[];
  readonly keepFormats: readonly string[];
  readonly deleteAfterUpload: boolean;
  readonly pause: boolean;
  readonly rebuildAgeMs: number;
  readonly buildTimeoutMs: number;
  readonly release: string;
  readonly dibCommand: string;
}

/**
 * A provider as the file describes it. The parameters are the driver's own parts (`settings`) of it, its pools and their
 * labels; who runs providers of any driver leaves them unknown.
 */
export interface ProviderConfig<Provider = unknown, Pool = unknown, Label = unknown> {
  readonly name: string;
  readonly driver: string;
  /** Infinity: no limit; 0: takes nothing. */
  readonly maxConcurrency: number;
  readonly priority: number;
  /** Attempts in all, the first one included. */
  readonly launchRetries: number;
  readonly launchTimeoutMs: number;
  readonly bootTimeoutMs: number;
  /** Infinity: unlimited. */
  readonly ratePerSecond: number;
  readonly pools: ReadonlyMap<string, PoolConfig<Pool, Label>>;
  readonly settings: Provider;
  /** Canonical text of everything that makes this another provider when it changes. */
  readonly fingerprint: string;
}

export interface PoolConfig<Pool = unknown, Label = unknown> {
  readonly name: string;
  readonly providerName: string;
  /** Infinity: no limit; 0 or less: disabled. */
  readonly maxServers: number;
  /** instances, cores, ram (MiB), volumes, volume-gb, …; absent: no limit. */
  readonly limits: Resources;
  readonly priority: number;
  readonly nodeAttributes: Readonly<Record<string, unknown>> | null;
  readonly ignoreProviderQuota: boolean;
  readonly availabilityZones: readonly string[] | null;
  readonly useInternalIp: boolean;
  readonly labels: ReadonlyMap<string, PoolLabelConfig<Label>>;
  readonly settings: Pool;
}

export interface PoolLabelConfig<Label = unknown> {
  readonly name: string;
  /** Flavour, machine type, size: what the cloud has or has not; null where there is no such thing. */
  readonly instanceType: string | null;
  readonly image: { readonly kind: 'cloud' | 'diskimage'; readonly name: string } | null;
  readonly hostKeyChecking: boolean;
  readonly consoleLog: boolean;
  readonly connection: {
    readonly username: string | null;
    readonly connectionType: string;
    readonly connectionPort: number;
    readonly pythonPath: string | null;
    readonly shellType: string | null;
  };
  readonly settings: Label;
}

/** A driver's part of the configuration: its schema, and how a provider that passed the schema becomes a ProviderConfig. */
export interface DriverConfigDefinition<Provider = unknown, Pool = unknown, Label = unknown> {
  /** The only place where a driver says its name. */
  readonly name: string;
  readonly schema: z.ZodType;
  /** For config-validate: tells the context what is wrong with a provider that its schema takes. */
  check(parsed: unknown, context: DriverLoadContext<null>): void;
  /** For the daemons: tells the context what they can't use, besides everything that `check` finds. */
  load(parsed: unknown, context: DriverLoadContext): ProviderConfig<Provider, Pool, Label>;
}

/** What a driver needs of the whole file, and whom it tells its findings. Paths are relative to the provider. */
export interface DriverLoadContext<Image = DiskImageConfig> {
  readonly labels: ReadonlyMap<string, LabelConfig>;
  /** Without the abstract images. For config-validate: the names of all images, without values. */
  readonly diskimages: ReadonlyMap<string, Image>;
  /** The configuration can't be used. */
  error(path: readonly PropertyKey[], message: string): void;
  warn(path: readonly PropertyKey[], message: string): void;
}
