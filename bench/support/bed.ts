/** A coordinator and a launcher as programs of their own, watched from outside; the bench itself is a consumer beside them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRuntime } from '../../src/base/runtime.ts';
import { Operations } from '../../src/store/transactions/operations.ts';
import { Store } from '../../src/store/mirrors/store.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { type Running, until, Workplace } from '../../test/interop/support/programs.ts';

const log = { warn() {}, error() {} };
const ticksPerSecond = 100;
const pageBytes = 4096;

export class Bed {
  readonly place = new Workplace();
  readonly dataDir = join(this.place.directory, 'data');
  zk!: ZooKeeper;
  private launcher: Running | null = null;
  private readonly stores: Store[] = [];

  /** `config` without the section `coordinator`. */
  static async start(config: string): Promise<Bed> {
    const bed = new Bed();
    bed.place.file('nodepool.yaml', `coordinator: {data-dir: ${bed.dataDir}}\n${config}`);
    bed.place.start('nodepool', ['-c', bed.config, 'coordinator']);
    await until(
      () => 'the coordinator runs',
      () => readAddress(bed.dataDir)?.port,
      60_000,
    );
    bed.zk = bed.place.client(bed.dataDir);
    return bed;
  }

  private get config(): string {
    return join(this.place.directory, 'nodepool.yaml');
  }

  /** Resolves when its pools are registered; returns the seconds that took. */
  async startLauncher(pools: number): Promise<number> {
    const started = performance.now();
    this.launcher = this.place.start('nodepool-launcher', ['-f', '-c', this.config]);
    const { launcher } = this;
    await until(
      () => `the launcher registers: ${launcher.output().slice(-2000)}`,
      async () => (await this.childrenOf('/nodepool/components/pool')).length >= pools,
      300_000,
    );
    return (performance.now() - started) / 1000;
  }

  async consumer(): Promise<{ readonly store: Store; readonly operations: Operations }> {
    const store = await Store.open({ client: this.place.client(this.dataDir), runtime: systemRuntime, log });
    this.stores.push(store);
    return { store, operations: new Operations(store) };
  }

  async childrenOf(path: string): Promise<readonly string[]> {
    return (await this.zk.exists(path)) ? (await this.zk.children(path)).children : [];
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.launcher!.process.pid!);
  }

  residentMiB(): number {
    return residentMiBOf(this.launcher!.process.pid!);
  }

  /** CPU time stands still: what was started has been done. */
  async calm(): Promise<void> {
    for (;;) {
      const before = this.cpuSeconds();
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (this.cpuSeconds() - before <= 0.02) return;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.stores.map((store) => store.close()));
    await this.place.clear();
  }
}

/** User and system time of a process, all threads. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export function residentMiBOf(pid: number): number {
  return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes) / 2 ** 20;
}

export const load = () => readFileSync('/proc/loadavg', 'utf8').split(' ')[0]!;
