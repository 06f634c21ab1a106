/**
 * Kills the embedded coordinator under load, again and again, and checks after each restart that nothing is missing that
 * anybody was told. Usage: node --import ./test/run-typescript.mjs test/long/coordinator-kill9.ts [ROUNDS] [SEED]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addWatchMode, createFlags, opCode } from '@nodepool/zookeeper/internal/protocol/constants';
import { readMultiResults, type WireOperation, writeMulti } from '@nodepool/zookeeper/internal/protocol/messages/multi';
import { writeCreate } from '@nodepool/zookeeper/internal/protocol/messages/create';
import { openAcl } from '@nodepool/zookeeper/internal/protocol/records';
import { RawClient } from '@nodepool/zookeeper/internal/server/testing/raw-client';
import { spawnCoordinator, type Spawned } from '@nodepool/zookeeper/internal/server/testing/spawn';

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly report: (text: string) => void;
  /** A bug for the server to have, so that it can be seen that this test sees it. */
  readonly plant?: 'early-answers';
}

export interface KillResult {
  readonly acknowledged: number;
  readonly violations: readonly string[];
}

const writers = 4;
const outstanding = 40;
const sessionTimeoutMs = 250;

const operation = (path: string, flags: number, data = ''): Extract<WireOperation, { type: 'create' }> => ({
  type: 'create',
  path,
  data: Buffer.from(data),
  acl: openAcl,
  flags,
  withStat: false,
});

const roots = ['/plain', '/pairs', '/seq', '/ephemerals', '/counter'];

/** null when the connection ended before the answer: it has happened or not. */
async function create(client: RawClient, path: string, flags: number = createFlags.persistent): Promise<string | null> {
  const answer = await client.request(opCode.create, (w) => writeCreate(w, operation(path, flags))).catch(() => null);
  if (answer && answer.error !== 0) throw new Error(`create ${path}: ${answer.error}`);
  return answer && answer.body.string();
}

async function children(client: RawClient, path: string): Promise<Set<string>> {
  const { error, body } = await client.request(opCode.getChildren, (w) => w.string(path).bool(false));
  if (error !== 0) throw new Error(`children ${path}: ${error}`);
  return new Set(body.vector((r) => r.string()));
}

/** What somebody was told, over all rounds. */
class Told {
  readonly plain = new Set<string>();
  readonly deleted = new Set<string>();
  readonly sequential = new Set<string>();
  readonly announced = new Set<string>();
  /** A deletion is under way or was: nobody can say. */
  readonly doomed = new Set<string>();
  readonly pairs = new Set<string>();
  readonly closedEphemerals = new Set<string>();
  readonly kept: string[] = [];
  counter = 0;
  highest = -1;
}

class Round {
  private readonly port: number;
  private readonly index: number;
  private readonly told: Told;
  private readonly violations: string[];
  private readonly clients: RawClient[] = [];
  private stopped = false;

  constructor(port: number, index: number, told: Told, violations: string[]) {
    this.port = port;
    this.index = index;
    this.told = told;
    this.violations = violations;
  }

  async open(): Promise<void> {
    for (let i = 0; i < writers + 2; i++) this.clients.push(await RawClient.open(this.port, { timeoutMs: 30_000 }));
    this.clients.push(await RawClient.open(this.port, { timeoutMs: sessionTimeoutMs }));
    const watch = { path: '/plain', mode: addWatchMode['persistent-recursive'] };
    await this.clients[writers]!.request(opCode.addWatch, (w) => w.string(watch.path).int(watch.mode));
  }

  /** Until the server dies. */
  async run(): Promise<void> {
    const { clients } = this;
    const [watcher, reader, closer] = clients.slice(writers) as [RawClient, RawClient, RawClient];
    await Promise.all([
      ...clients
        .slice(0, writers)
        .flatMap((client, who) =>
          Array.from({ length: outstanding }, (_, lane) => this.write(client, `${who}-${lane}`)),
        ),
      this.count(clients[0]!),
      this.read(reader),
      this.leave(closer),
    ]);
    await watcher.closed;
    for (const event of watcher.events) if (event.type === 'created') this.told.announced.add(event.path);
  }

  stop(): void {
    this.stopped = true;
  }

  private async write(client: RawClient, lane: string): Promise<void> {
    for (let i = 0; !this.stopped; i++) {
      const name = `${this.index}-${lane}-${i}`;
      if (i % 4 === 0) {
        const path = await create(client, '/seq/s-', createFlags['persistent-sequential']);
        if (path === null) return;
        this.sequence(path);
      } else if (i % 4 === 1) {
        const pair = [operation(`/pairs/${name}-a`, 0), operation(`/pairs/${name}-b`, 0)];
        const answer = await client.request(opCode.multi, (w) => writeMulti(w, pair)).catch(() => null);
        if (!answer) return;
        if (readMultiResults(answer.body).every((r) => r.type === 'create')) this.told.pairs.add(name);
      } else {
        if ((await create(client, `/plain/${name}`)) === null) return;
        this.told.plain.add(name);
        if (i % 8 !== 2) continue;
        // From now on it may be gone; when that is told it must be.
        this.told.plain.delete(name);
        this.told.doomed.add(name);
        if (!(await client.request(opCode.delete, (w) => w.string(`/plain/${name}`).int(-1)).catch(() => null))) return;
        this.told.deleted.add(name);
      }
    }
  }

  private sequence(path: string): void {
    if (this.told.sequential.has(path)) this.violations.push(`round ${this.index}: ${path} was given out twice`);
    this.told.sequential.add(path);
    this.told.highest = Math.max(this.told.highest, Number(path.slice(-10)));
  }

  private async count(client: RawClient): Promise<void> {
    while (!this.stopped) {
      const next = this.told.counter + 1;
      const answer = await client
        .request(opCode.setData, (w) =>
          w
            .string('/counter')
            .buffer(Buffer.from(String(next)))
            .int(-1),
        )
        .catch(() => null);
      if (!answer) return;
      this.told.counter = Math.max(this.told.counter, next);
    }
  }

  /** What has been read counts as told, though its writer may not know yet. */
  private async read(client: RawClient): Promise<void> {
    while (!this.stopped) {
      const answer = await client.request(opCode.getData, (w) => w.string('/counter').bool(false)).catch(() => null);
      if (!answer) return;
      this.told.counter = Math.max(this.told.counter, Number(answer.body.buffer()!.toString()));
    }
  }

  /** A session that ends in order: when that is answered its ephemerals are gone for good. */
  private async leave(client: RawClient): Promise<void> {
    const name = `closed-${this.index}`;
    if ((await create(client, `/ephemerals/${name}`, createFlags.ephemeral)) === null) return;
    const answer = await client.request(opCode.closeSession).catch(() => null);
    if (answer) this.told.closedEphemerals.add(name);
  }
}

/** Without them no round can follow. They were acknowledged before the first kill like all else. */
async function rootsAreLost(client: RawClient, index: number, violations: string[]): Promise<boolean> {
  const there = await children(client, '/');
  const lost = roots.filter((path) => !there.has(path.slice(1)));
  for (const path of lost) violations.push(`after round ${index}: ${path} was acknowledged and is lost`);
  return lost.length > 0;
}

async function check(client: RawClient, index: number, told: Told, violations: string[]): Promise<void> {
  const fail = (text: string) => violations.push(`after round ${index}: ${text}`);
  const plain = await children(client, '/plain');
  for (const name of told.plain) if (!plain.has(name)) fail(`/plain/${name} was acknowledged and is lost`);
  for (const name of told.deleted) if (plain.has(name)) fail(`/plain/${name} was deleted and is back`);
  for (const path of told.announced) {
    const name = path.slice('/plain/'.length);
    if (!plain.has(name) && !told.doomed.has(name)) fail(`${path} was announced and is lost`);
  }
  const pairs = await children(client, '/pairs');
  for (const name of told.pairs)
    if (!pairs.has(`${name}-a`) || !pairs.has(`${name}-b`)) fail(`the pair ${name} was acknowledged and is lost`);
  for (const name of pairs) {
    const other = name.slice(0, -1) + (name.endsWith('a') ? 'b' : 'a');
    if (!pairs.has(other)) fail(`the pair ${name} was torn`);
  }
  const sequential = await children(client, '/seq');
  for (const path of told.sequential)
    if (!sequential.has(path.slice('/seq/'.length))) fail(`${path} was acknowledged and is lost`);
  const ephemerals = await children(client, '/ephemerals');
  for (const name of told.closedEphemerals)
    if (ephemerals.has(name)) fail(`the ephemeral ${name} of a closed session is there`);
  const counter = Number(
    (await client.request(opCode.getData, (w) => w.string('/counter').bool(false))).body.buffer()!.toString(),
  );
  if (counter < told.counter) fail(`the counter is ${counter}, ${told.counter} was seen before`);
  told.counter = Math.max(told.counter, counter);
  const next = await create(client, '/seq/s-', createFlags['persistent-sequential']);
  if (next === null) return;
  if (Number(next.slice(-10)) <= told.highest) fail(`${next} comes after ${told.highest}`);
  told.highest = Number(next.slice(-10));
  told.sequential.add(next);
}

/** The session of the round before comes back and finds its ephemeral; those that nobody takes back go. */
async function checkSessions(
  port: number,
  client: RawClient,
  kept: RawClient | null,
  keptName: string,
  index: number,
  violations: string[],
): Promise<void> {
  if (kept) {
    const { sessionId, password } = kept.session!;
    const back = await RawClient.open(port, { sessionId, password, timeoutMs: sessionTimeoutMs });
    if (back.session!.sessionId !== sessionId)
      violations.push(`after round ${index}: a session did not survive the restart`);
    else if (!(await children(client, '/ephemerals')).has(keptName))
      violations.push(`after round ${index}: the ephemeral ${keptName} of a living session is lost`);
    back.stream.destroy();
  }
  const deadline = performance.now() + 5000;
  while ((await children(client, '/ephemerals')).size > 0) {
    if (performance.now() > deadline) {
      violations.push(
        `after round ${index}: ephemerals of dead sessions stay: ${[...(await children(client, '/ephemerals'))].join(' ')}`,
      );
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function killRounds(o: KillOptions): Promise<KillResult> {
  const dataDir = mkdtempSync(join(tmpdir(), 'coordinator-kill9-'));
  const told = new Told();
  const violations: string[] = [];
  let random = o.seed;
  let server: Spawned | null = null;
  let kept: RawClient | null = null;
  let keptName = '';
  try {
    for (let index = 0; index <= o.rounds && violations.length < 10; index++) {
      // A small journal, so that kills meet the data file while it takes over, too.
      const limits = { minSessionTimeoutMs: 100, journalBytes: 200_000 };
      server = await spawnCoordinator({ dataDir, limits }, undefined, o.plant);
      const port = server.address.port!;
      const client = await RawClient.open(port, { timeoutMs: 30_000 });
      if (index === 0) for (const path of roots) await create(client, path);
      if (index === 0)
        await client.request(opCode.setData, (w) => w.string('/counter').buffer(Buffer.from('0')).int(-1));
      if (await rootsAreLost(client, index, violations)) break;
      await check(client, index, told, violations);
      await checkSessions(port, client, kept, keptName, index, violations);
      if (index === o.rounds) break;

      keptName = `kept-${index}`;
      kept = await RawClient.open(port, { timeoutMs: 30_000 });
      await create(kept, `/ephemerals/${keptName}`, createFlags.ephemeral);
      const dead = await RawClient.open(port, { timeoutMs: sessionTimeoutMs });
      await create(dead, `/ephemerals/dead-${index}`, createFlags.ephemeral);
      const round = new Round(port, index, told, violations);
      await round.open();
      const load = round.run();
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      await new Promise((resolve) => setTimeout(resolve, 20 + (random / 2 ** 32) * 180));
      await server.kill('SIGKILL');
      round.stop();
      await load;
      if (index % 20 === 19)
        o.report(
          `${index + 1} rounds, ${told.plain.size + told.sequential.size + told.pairs.size} writes, ${violations.length} violations`,
        );
    }
  } finally {
    await server?.kill('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  }
  return { acknowledged: told.plain.size + told.deleted.size + told.sequential.size + told.pairs.size, violations };
}

if (process.argv[1]?.includes('coordinator-kill9')) {
  const [rounds = '200', seed = '1', plant] = process.argv.slice(2);
  const planted = plant === 'early-answers' ? { plant: 'early-answers' as const } : {};
  const { acknowledged, violations } = await killRounds({
    rounds: Number(rounds),
    seed: Number(seed),
    report: console.log,
    ...planted,
  });
  for (const violation of violations.slice(0, 20)) console.log(violation);
  console.log(`${rounds} rounds of kill -9, ${acknowledged} acknowledged writes, ${violations.length} violations`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
