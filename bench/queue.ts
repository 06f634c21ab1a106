/**
 * A long queue is drained: what a request costs the launcher by the length of the queue, and in which order requests are
 * accepted. Once with tenants at their limits, once without limits before a full pool. The programs have to be built.
 * Usage: node --import ./test/run-typescript.mjs bench/queue.ts [REQUESTS …]
 */
import { isBroken } from '../src/records/broken.ts';
import { compareRequests, encodeRequest, newRequest, type RequestRecord } from '../src/records/request.ts';
import type { Operations } from '../src/store/transactions/operations.ts';
import type { Store } from '../src/store/mirrors/store.ts';
import { until } from '../test/interop/support/programs.ts';
import { Bed, load } from './support/bed.ts';
import { giveBack } from './support/give-back.ts';

const lengths = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [2500, 5000, 10_000, 20_000];
const tenants = 50;
const servers = 100;

const config = (limited: boolean) => `
labels: [{name: a}, {name: b}, {name: c}]
${limited ? `tenant-resource-limits: [${Array.from({ length: tenants }, (_, n) => `{tenant-name: t${n}, max-servers: 2}`).join(', ')}]` : ''}
providers:
  - name: cloud
    driver: fake
    cloud: fake
    fake-cloud: {boot-delay: 0.01}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools:
      - name: main
        max-servers: ${limited ? 10 * servers : servers}
        labels: [${['a', 'b', 'c'].map((name) => `{name: ${name}, cloud-image: image, min-ram: 1, host-key-checking: false}`).join(', ')}]
`;

async function fill(bed: Bed, count: number): Promise<void> {
  await bed.zk.ensurePath('/nodepool/requests');
  const one = (n: number) => {
    const request = newRequest(
      {
        nodeTypes: [['a', 'b', 'c'][n % 3]!],
        requestor: 'bench',
        tenantName: `t${n % tenants}`,
        relativePriority: n % 7,
        state: 'requested',
      },
      Date.now(),
    );
    const path = `/nodepool/requests/${[100, 200, 300][n % 5 === 0 ? 0 : n % 2 === 0 ? 1 : 2]}-`;
    return bed.zk.create(path, encodeRequest(request), { mode: 'persistent-sequential' });
  };
  for (let done = 0; done < count; done += 1000) {
    await Promise.all(Array.from({ length: Math.min(1000, count - done) }, (_, n) => one(done + n)));
  }
}

/** Each node is given back as soon as it is handed over; resolves with the requests in the order of their acceptance. */
async function drain(store: Store, operations: Operations, count: number): Promise<readonly RequestRecord[]> {
  const accepted: RequestRecord[] = [];
  const problems: unknown[] = [];
  let served = 0;
  const serve = async (id: string, nodes: readonly string[]) => {
    await giveBack(operations, id, nodes);
    served++;
  };
  const off = store.requests.onChange((id, before, after) => {
    const [from, to] = [before?.request, after?.request];
    if (!from || !to || isBroken(from) || isBroken(to)) return;
    // Between two looks a quick one may have been fulfilled already.
    if (from.state === 'requested' && to.state !== 'requested') accepted.push(to);
    if (to.state === 'fulfilled') serve(id, to.nodes).catch((error: unknown) => problems.push(error));
    if (to.state === 'failed') problems.push(new Error(`request ${id} failed`));
  });
  await until(
    () => `all are served, ${served} are; ${String(problems[0])}`,
    () => served === count || problems.length > 0,
    1_200_000,
  );
  off();
  if (problems.length > 0) throw problems[0] as Error;
  return accepted;
}

/** Pairs of neighbours that were accepted the wrong way round, for each tenant on its own where tenants are limited. */
function inversions(accepted: readonly RequestRecord[], byTenant: boolean): number {
  const groups = new Map<string | null, RequestRecord[]>();
  for (const request of accepted) {
    const name = byTenant ? request.tenantName : null;
    const group = groups.get(name) ?? [];
    if (group.push(request) === 1) groups.set(name, group);
  }
  let wrong = 0;
  for (const group of groups.values()) {
    for (const [n, request] of group.entries()) if (n > 0 && compareRequests(group[n - 1]!, request) > 0) wrong++;
  }
  return wrong;
}

async function measure(count: number, limited: boolean): Promise<void> {
  const bed = await Bed.start(config(limited));
  try {
    await fill(bed, count);
    const { store, operations } = await bed.consumer();
    const started = performance.now();
    const drained = drain(store, operations, count);
    await bed.startLauncher(1);
    const accepted = await drained;
    const seconds = (performance.now() - started) / 1000;
    const cells = [
      limited ? `${tenants} tenants at 2 each` : `${servers} servers`,
      count,
      seconds.toFixed(1),
      ((bed.cpuSeconds() * 1000) / count).toFixed(2),
      inversions(accepted, limited),
      load(),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  } finally {
    await bed.stop();
  }
}

console.log('| limited by | queued | drained in (s) | CPU a request (ms) | accepted out of order | load |');
console.log('|---|---:|---:|---:|---:|---:|');
for (const limited of [true, false]) for (const count of lengths) await measure(count, limited);
