/**
 * Lets a test look into the cloud in memory and steer it, by two files in the directory that NODEPOOL_TEST_FAKE_CLOUD names:
 * control.json is the test's, <provider>.json is ours. Both are replaced by rename.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../base/logger.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { CloudFaults, FakeCloud } from './cloud.ts';

const counted = z.object({ n: z.number(), serial: z.number() });
const providerControl = z.object({
  'create-server-failures': counted.optional(),
  'create-server-failures-with-id': counted.optional(),
  'create-server-timeouts': counted.optional(),
  images: z.array(z.string()).optional(),
  azs: z.array(z.string()).optional(),
  'image-check-timeout': z.number().optional(),
  'server-status': z.record(z.string(), z.string()).optional(),
});
const controlFile = z.object({
  serial: z.number().default(0),
  quota: z.record(z.string(), z.number().nullable()).optional(),
  providers: z.record(z.string(), providerControl).default({}),
});

const counters = {
  'create-server-failures': 'createFailures',
  'create-server-failures-with-id': 'createFailuresWithId',
  'create-server-timeouts': 'createTimeouts',
} as const satisfies Partial<Record<keyof z.infer<typeof providerControl>, keyof CloudFaults>>;

const lookMs = 50;
const defaultQuota = { cores: 100, instances: 20, ram: 1_000_000, volumes: 100, 'volume-gb': 1_000_000 };

export interface SideChannelDeps {
  readonly cloud: FakeCloud;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export interface SideChannelOptions {
  readonly directory: string;
  /** Its name. */
  readonly provider: string;
}

export class SideChannel {
  /** How long a look-up of an image that failed is believed. */
  imageCheckMs: number | undefined;
  private readonly deps: SideChannelDeps;
  private readonly options: SideChannelOptions;
  private readonly applied = new Map<string, number>();
  private serial = 0;
  private seen = '';
  private written = '';
  private timer: Timer | null = null;

  constructor(deps: SideChannelDeps, options: SideChannelOptions) {
    this.deps = deps;
    this.options = options;
    deps.cloud.quota = defaultQuota;
    deps.cloud.enforces = 'instances';
    this.look();
  }

  stop(): void {
    this.timer?.cancel();
    this.write();
  }

  /** Cheap when nothing has changed: called before each operation of the cloud. */
  read(): void {
    const file = join(this.options.directory, 'control.json');
    const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
    if (!stat) return;
    const version = `${stat.ino}/${stat.mtimeNs}/${stat.size}`;
    if (version === this.seen) return;
    try {
      this.apply(controlFile.parse(JSON.parse(readFileSync(file, 'utf8'))));
      this.seen = version;
    } catch (error) {
      this.deps.log.warn(
        { provider: this.options.provider, file, err: error },
        "The fake cloud's control file cannot be used",
      );
    }
  }

  private look(): void {
    this.read();
    this.write();
    this.timer = this.deps.runtime.setBackgroundTimer(lookMs, () => this.look());
  }

  private apply(control: z.infer<typeof controlFile>): void {
    const { cloud } = this.deps;
    const { provider } = this.options;
    const limits = Object.entries(control.quota ?? defaultQuota);
    cloud.quota = Object.fromEntries(limits.filter((one): one is [string, number] => one[1] !== null && one[1] !== -1));
    const mine = control.providers[provider] ?? {};
    for (const [key, fault] of Object.entries(counters)) {
      const order = mine[key as keyof typeof counters];
      if (!order || order.serial <= (this.applied.get(key) ?? Number.NEGATIVE_INFINITY)) continue;
      this.applied.set(key, order.serial);
      cloud.faults[fault] = order.n;
    }
    for (const image of mine.images ?? []) cloud.addImage(image);
    if (mine.azs) cloud.zones = mine.azs;
    const imageCheck = mine['image-check-timeout'];
    this.imageCheckMs = imageCheck === undefined ? undefined : imageCheck * 1000;
    cloud.forced = new Map(Object.entries(mine['server-status'] ?? {}));
    this.serial = control.serial;
  }

  private write(): void {
    const { cloud, log } = this.deps;
    const { directory, provider } = this.options;
    const servers = cloud.list().map(({ id, name, status, metadata, securityGroups }) => ({
      id,
      name,
      status,
      metadata,
      security_groups: securityGroups,
    }));
    const text = JSON.stringify({
      ack: this.serial,
      servers,
      'create-server-failures': cloud.faults.createFailures,
      'create-server-failures-with-id': cloud.faults.createFailuresWithId,
    });
    if (text === this.written) return;
    const file = join(directory, `${provider}.json`);
    try {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
      this.written = text;
    } catch (error) {
      log.warn({ provider, file, err: error }, "The fake cloud's state cannot be written");
    }
  }
}
