/** Lets a test look into the cloud in memory and steer it, by two files in a directory (NODEPOOL_TEST_FAKE_CLOUD). */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../provider/logger.ts';
import type { Runtime, Timer } from '../../runtime.ts';
import type { FakeCloud } from './cloud.ts';

interface Counted {
  readonly n: number;
  readonly serial: number;
}

interface Control {
  readonly serial?: number;
  readonly quota?: Readonly<Record<string, number | null>>;
  readonly providers?: Readonly<
    Record<
      string,
      {
        readonly 'create-server-failures'?: Counted;
        readonly 'create-server-failures-with-id'?: Counted;
        readonly 'create-server-timeouts'?: Counted;
        readonly images?: readonly string[];
        readonly azs?: readonly string[];
        readonly 'server-status'?: Readonly<Record<string, string>>;
      }
    >
  >;
}

const lookMs = 50;
const defaults = { cores: 100, instances: 20, ram: 1_000_000, volumes: 100, 'volume-gb': 1_000_000 };

/** Returns the function that ends it. */
export function followSideChannel(
  directory: string,
  provider: string,
  cloud: FakeCloud,
  runtime: Runtime,
  log: Logger,
): () => void {
  const seen = { serial: -1, text: '', failures: 0, withId: 0, timeouts: 0 };
  let written = '';
  let timer: Timer;
  cloud.quota = { ...defaults };
  const take = (counted: Counted | undefined, last: number, apply: (n: number) => void): number => {
    if (!counted || counted.serial <= last) return last;
    apply(counted.n);
    return counted.serial;
  };
  const read = () => {
    const file = join(directory, 'control.json');
    if (!existsSync(file)) return;
    const text = readFileSync(file, 'utf8');
    if (text === seen.text) return;
    const control = JSON.parse(text) as Control;
    seen.text = text;
    seen.serial = control.serial ?? seen.serial;
    cloud.quota = {};
    for (const [name, value] of Object.entries(control.quota ?? defaults))
      if (value !== null && value !== -1) cloud.quota[name] = value;
    const mine = control.providers?.[provider];
    seen.failures = take(mine?.['create-server-failures'], seen.failures, (n) => (cloud.faults.createFailures = n));
    seen.withId = take(
      mine?.['create-server-failures-with-id'],
      seen.withId,
      (n) => (cloud.faults.createFailuresWithId = n),
    );
    seen.timeouts = take(mine?.['create-server-timeouts'], seen.timeouts, (n) => (cloud.faults.createTimeouts = n));
    for (const image of mine?.images ?? []) cloud.images.add(image);
    if (mine?.azs) cloud.zones = [...mine.azs];
    cloud.forced = new Map(Object.entries(mine?.['server-status'] ?? {}));
  };
  const write = () => {
    const servers = cloud.list().map((s) => ({
      id: s.id,
      name: s.name,
      status: s.status,
      metadata: s.metadata,
      security_groups: s.securityGroups,
    }));
    const text = JSON.stringify({
      ack: seen.serial,
      servers,
      'create-server-failures': cloud.faults.createFailures,
      'create-server-failures-with-id': cloud.faults.createFailuresWithId,
    });
    if (text === written) return;
    written = text;
    const file = join(directory, `${provider}.json`);
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  const look = () => {
    try {
      read();
      write();
    } catch (error) {
      log.warn({ provider, err: error }, "The fake cloud's side channel failed");
    }
    timer = runtime.setBackgroundTimer(lookMs, look);
  };
  look();
  return () => timer.cancel();
}
