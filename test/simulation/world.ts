/** One simulated world, from a seed to its end: launchers, consumers, clouds and ZooKeeper in virtual time, and the promises. */
import type { Adapter } from '../../src/driver-kit/contract.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { SimulatedZooKeeper } from '@nodepool/zookeeper/internal/testing/simulated-zookeeper';
import { Allowance, type Host } from './allowance.ts';
import { Books } from './books.ts';
import { Chronicle } from './chronicle.ts';
import { type CloudFault, SimulatedCloud } from './cloud.ts';
import { type ConfigPlan, configOf } from './configuration.ts';
import { Consumer } from './consumer.ts';
import { Shapes } from './documents.ts';
import { LauncherProcess } from './launcher-process.ts';
import { type Broken, Promises } from './promises.ts';
import { Random } from './random.ts';
import { type Disturbance, draw, type Scenario } from './scenario.ts';
import { cloudOf, Vigil } from './vigil.ts';
import { ProcessRuntime, VirtualTime } from './virtual-time.ts';

export interface WorldOptions {
  readonly seed: number;
  /** With all lines for people; slower. */
  readonly traced?: boolean;
  readonly onLine?: (line: string) => void;
  readonly wrapAdapter?: (adapter: Adapter, runtime: ProcessRuntime) => Adapter;
  readonly wrapClient?: (client: ZooKeeper) => ZooKeeper;
  readonly shapes?: Shapes;
}

export interface Outcome {
  readonly seed: number;
  readonly theme: Scenario['theme'];
  readonly broken: Broken | null;
  readonly virtualMs: number;
  readonly settleMs: number;
  readonly events: number;
  readonly transactions: number;
  readonly submitted: number;
  readonly fulfilled: number;
  readonly nodesUsed: number;
  readonly instances: number;
  /** Nodes of a pool beyond its limit, at most. */
  readonly overshoot: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Of all that happened; '' unless traced. */
  readonly hash: string;
  /** The last lines; empty unless traced. */
  readonly trace: readonly string[];
}

const settleLimitMs = 180_000;
/** After a change of the configuration decisions made before it are carried out. */
const planLagMs = 15_000;
export class World {
  readonly scenario: Scenario;
  readonly time = new VirtualTime();
  readonly zk: SimulatedZooKeeper;
  readonly books: Books;
  private readonly options: WorldOptions;
  private readonly chronicle: Chronicle;
  private readonly allowance: Allowance;
  private readonly clouds = new Map<string, SimulatedCloud>();
  private readonly promises: Promises;
  private readonly vigil: Vigil;
  private readonly hosts: Host[] = [];
  private readonly consumers = new Map<string, Consumer>();
  private readonly changes = new Map<string, (() => void)[]>();
  private readonly partitioned = new Set<string>();
  private transactions = 0;
  private quiet = false;

  constructor(options: WorldOptions) {
    this.options = options;
    const { seed } = options;
    this.scenario = draw(seed);
    this.chronicle = new Chronicle(this.time, options);
    this.allowance = new Allowance(
      { hosts: this.hosts, partitioned: this.partitioned, time: this.time },
      this.scenario.plan.tenantLimits,
    );
    const runtime = new ProcessRuntime(this.time, Random.of(seed, 'zookeeper server'), { precise: true });
    const zkRandom = Random.of(seed, 'zookeeper');
    this.books = new Books(
      () => this.zk,
      () => this.time.monotonicMs,
    );
    this.zk = new SimulatedZooKeeper({
      runtime,
      random: zkRandom.next,
      onTransaction: (transaction, by) => {
        this.transactions++;
        const change = this.books.apply(transaction, by);
        this.promises.transaction(change);
        for (const request of change.requests.keys()) this.wake(request.id);
      },
      ...(options.traced ? { onTrace: (line: string) => this.chronicle.line(line) } : {}),
    });
    this.zk.faults.slowestMs = this.scenario.slowestMs;
    for (const plan of this.scenario.clouds) this.addCloud(plan);
    const broken = (broken: Broken) => this.chronicle.fail(broken);
    this.promises = new Promises(
      {
        books: this.books,
        shapes: options.shapes ?? new Shapes(),
        nowMs: () => this.time.monotonicMs,
        cloudOf: (provider) => this.clouds.get(cloudOf(this.scenario, provider)),
        mostNodes: (provider, pool) => this.allowance.mostNodes(provider, pool),
        mostOfTenant: (tenant) => this.allowance.mostOfTenant(tenant),
        onBroken: broken,
      },
      {
        slowestMs: this.scenario.zkRates.slow > 0 ? this.scenario.slowestMs : 0,
        nothingFails: this.scenario.theme === 'reload' || this.scenario.theme === 'calm',
      },
    );
    this.vigil = new Vigil(
      {
        books: this.books,
        clouds: this.clouds,
        nowMs: () => this.time.monotonicMs,
        servedSinceMs: (provider, pool) => this.allowance.servedSinceMs(provider, pool),
        broken: (promise, message) => broken({ promise, message }),
      },
      this.scenario,
    );
  }

  async run(): Promise<Outcome> {
    const { scenario, time } = this;
    const crash = (error: unknown) => this.chronicle.crashed('unhandled rejection', error);
    process.on('unhandledRejection', crash);
    try {
      Object.assign(this.zk.faults.rates, scenario.zkRates);
      for (const launcher of scenario.launchers) this.addHost(launcher);
      for (const plan of scenario.consumers) this.addConsumer(plan);
      for (const disturbance of scenario.disturbances)
        time.after(disturbance.atMs, () => {
          if (!this.quiet) this.disturb(disturbance);
        });
      this.tick();
      const hasEnded = () => this.chronicle.broken !== null;
      await time.runUntil(scenario.durationMs, hasEnded);
      const quietMs = time.monotonicMs;
      if (!hasEnded()) {
        this.becomeQuiet();
        await time.runUntil(quietMs + settleLimitMs, () => hasEnded() || this.settled);
        if (!hasEnded() && !this.settled)
          this.chronicle.fail(this.unrest() ?? { promise: 'P5', message: 'not settled' });
      }
      return this.outcome(time.monotonicMs - quietMs);
    } catch (error) {
      this.chronicle.crashed('the world', error);
      return this.outcome(0);
    } finally {
      process.off('unhandledRejection', crash);
      await this.end();
    }
  }

  private settled = false;

  private unrest(): Broken | null {
    const waiting = [...this.consumers.values()].find((consumer) => !consumer.ended);
    if (waiting) return this.vigil.unrest() ?? { promise: 'P5', message: `${waiting.name} has not come to its end` };
    const host = this.hosts.find(({ process }) => process.state !== 'running');
    if (host) return { promise: 'P5', message: `the launcher on ${host.hostname} is ${host.process.state}` };
    return this.vigil.unrest();
  }

  private tick(): void {
    this.vigil.tick();
    if (this.quiet && this.unrest() === null) this.settled = true;
    this.time.after(1000, () => this.tick());
  }

  // --- who is there

  private addCloud(plan: Scenario['clouds'][number]): void {
    const cloud = new SimulatedCloud(
      {
        time: this.time,
        random: Random.of(this.scenario.seed, plan.name),
        onTrace: (text) => {
          if (this.chronicle.traced) this.chronicle.line(`${this.time.monotonicMs.toFixed(3)} ${text()}`);
        },
        onFault: (fault: CloudFault) => this.chronicle.count(`cloud-${fault}`),
        onMade: (at, instance) => this.promises.made(at, instance),
        onGone: (from, instance) => this.promises.gone(from, instance),
      },
      {
        name: plan.name,
        idempotent: plan.idempotent,
        limits: { instances: plan.limit },
        bootMs: plan.bootMs,
      },
    );
    Object.assign(cloud.rates, plan.rates);
    this.clouds.set(plan.name, cloud);
  }

  private addHost({ hostname, plan, skewMs }: Scenario['launchers'][number]): void {
    const host: Host = {
      hostname,
      skewMs,
      plan,
      starts: 0,
      runsSinceMs: 0,
      plans: [],
      process: undefined as unknown as LauncherProcess,
    };
    this.hosts.push(host);
    this.startLauncher(host);
  }

  private startLauncher(host: Host): void {
    const name = `launcher-${host.hostname}-${++host.starts}`;
    const runtime = new ProcessRuntime(this.time, Random.of(this.scenario.seed, name), { skewMs: host.skewMs });
    const launcher = new LauncherProcess(
      {
        zk: this.zk,
        runtime,
        clouds: this.clouds,
        log: this.chronicle.logger(name),
        wrapAdapter: this.options.wrapAdapter ?? ((adapter) => adapter),
        wrapClient: this.options.wrapClient ?? ((client) => client),
      },
      { name, hostname: host.hostname, sessionTimeoutMs: this.scenario.sessionTimeoutMs },
      configOf(host.plan),
    );
    host.process = launcher;
    host.runsSinceMs = this.time.monotonicMs;
    host.plans.push({ plan: host.plan, sinceMs: this.time.monotonicMs, untilMs: Number.POSITIVE_INFINITY });
    launcher.start().catch((error: unknown) => this.startFailed(host, launcher, error));
  }

  /** As whoever supervises it would: it is started again. */
  private startFailed(host: Host, launcher: LauncherProcess, error: unknown): void {
    if (!launcher.alive || host.process !== launcher) return;
    this.chronicle.note(`${launcher.name} could not start: ${String(error)}`);
    launcher.kill();
    this.time.after(500, () => {
      if (host.process === launcher) this.startLauncher(host);
    });
  }

  private addConsumer({ name, habits }: Scenario['consumers'][number]): void {
    const { seed, sessionTimeoutMs } = this.scenario;
    const consumer = new Consumer(
      {
        zk: this.zk,
        runtime: new ProcessRuntime(this.time, Random.of(seed, `${name} runtime`)),
        random: Random.of(seed, name),
        changeOf: (id) => this.changeOf(id),
        complain: (message) => this.chronicle.fail({ promise: 'P2', message: `${name}: ${message}` }),
      },
      { name, habits, sessionTimeoutMs },
    );
    this.consumers.set(name, consumer);
    consumer.run().catch((error: unknown) => {
      if (!consumer.ended) this.chronicle.crashed(name, error);
    });
  }

  /** A consumer's wait: the next change of the request, or a second. */
  private changeOf(id: string): Promise<void> {
    return new Promise((resolve) => {
      const wakers = this.changes.get(id) ?? [];
      this.changes.set(id, wakers);
      wakers.push(resolve);
      this.time.after(1000, resolve);
    });
  }

  private wake(id: string): void {
    const wakers = this.changes.get(id);
    if (!wakers) return;
    this.changes.delete(id);
    for (const wake of wakers) this.time.after(3, wake);
  }

  // --- what goes wrong

  private clientOf(who: string): string {
    return this.hosts.find((host) => host.hostname === who)?.process.name ?? who;
  }

  private hostOf(hostname: string): Host {
    return this.hosts.find((host) => host.hostname === hostname)!;
  }

  private disturb(d: Disturbance): void {
    this.chronicle.count(`world-${d.kind}`);
    switch (d.kind) {
      case 'expire':
        this.zk.expire(this.clientOf(d.who));
        this.interrupted(d.who);
        return;
      case 'cut':
        this.zk.cut(this.clientOf(d.who));
        return;
      case 'partition':
        this.partition(d.who, d.forMs);
        return;
      case 'pause':
        this.pause(d);
        return;
      case 'leader-change':
        this.zk.changeLeader(d.forMs);
        return;
      case 'die':
        this.chronicle.note(`${d.who} dies`);
        this.consumers.get(d.who)?.kill();
        return;
      case 'hang':
        this.chronicle.note(`${d.cloud} answers nothing any more`);
        this.vigil.hangsSinceMs = this.time.monotonicMs;
        this.clouds.get(d.cloud)!.hangs = true;
        this.time.after(d.forMs, () => {
          this.clouds.get(d.cloud)!.hangs = false;
        });
        return;
      case 'reload':
        if (this.hostOf(d.who).process.state === 'running') this.reload(this.hostOf(d.who), d.plan);
        return;
      default:
        this.endLauncher(d, this.hostOf(d.who));
    }
  }

  private endLauncher(d: Extract<Disturbance, { readonly kind: 'kill' | 'stop' }>, host: Host): void {
    const { process: launcher } = host;
    if (!launcher.alive || launcher.state === 'stopping') return;
    const restart = () => {
      if (host.process === launcher && !launcher.alive) this.startLauncher(host);
    };
    for (const one of host.plans) one.untilMs = Math.min(one.untilMs, this.time.monotonicMs + planLagMs);
    if (d.kind === 'kill') {
      launcher.kill();
      this.vigil.killed(launcher.name);
      this.time.after(d.forMs, restart);
      return;
    }
    this.chronicle.note(`${launcher.name} is asked to stop`);
    void launcher.stop().then(
      () => this.time.after(d.forMs, restart),
      (error: unknown) => {
        if (launcher.alive) this.chronicle.crashed(`${launcher.name} while stopping`, error);
      },
    );
  }

  private reload(host: Host, plan: ConfigPlan): void {
    for (const one of host.plans) one.untilMs = Math.min(one.untilMs, this.time.monotonicMs + planLagMs);
    host.plan = plan;
    host.plans.push({ plan, sinceMs: this.time.monotonicMs, untilMs: Number.POSITIVE_INFINITY });
    this.chronicle.note(`${host.process.name} reloads ${JSON.stringify(plan)}`);
    host.process.reload(configOf(plan));
  }

  private partition(who: string, forMs: number): void {
    const client = this.clientOf(who);
    this.zk.partition(client);
    this.partitioned.add(client);
    this.interrupted(who);
    this.time.after(forMs, () => this.heal(client));
  }

  private pause({ who, forMs }: Extract<Disturbance, { readonly kind: 'partition' | 'pause' }>): void {
    const { process: launcher } = this.hostOf(who);
    if (launcher.state !== 'running') return;
    this.chronicle.note(`${launcher.name} stands still`);
    launcher.pause();
    this.partition(who, forMs);
  }

  private heal(client: string): void {
    if (!this.partitioned.delete(client)) return;
    this.hosts.find(({ process: launcher }) => launcher.name === client)?.process.resume();
    const isDead =
      this.consumers.get(client)?.ended === true ||
      this.hosts.every(({ process: launcher }) => launcher.name !== client) === !this.consumers.has(client);
    if (!isDead) this.zk.heal(client);
  }

  private interrupted(who: string): void {
    const host = this.hosts.find(({ hostname }) => hostname === who);
    if (host) host.runsSinceMs = this.time.monotonicMs;
  }

  /** From here on nothing goes wrong any more; everything has to come to rest. */
  private becomeQuiet(): void {
    this.quiet = true;
    this.chronicle.note('everything is quiet from here on');
    this.zk.faults.stop();
    for (const client of [...this.partitioned]) this.heal(client);
    for (const cloud of this.clouds.values()) cloud.stopFaults();
    for (const consumer of this.consumers.values()) consumer.resting = true;
    for (const host of this.hosts) {
      if (host.process.alive && host.process.state !== 'stopping') this.reload(host, this.scenario.plan);
      else if (!host.process.alive) {
        host.plan = this.scenario.plan;
        this.startLauncher(host);
      } else host.plan = this.scenario.plan;
    }
  }

  // --- the end

  private outcome(settleMs: number): Outcome {
    const sum = (of: (consumer: Consumer) => number) =>
      [...this.consumers.values()].reduce((total, consumer) => total + of(consumer), 0);
    for (const [kind, count] of Object.entries(this.zk.faults.injected))
      if (count > 0) this.chronicle.faults[`zk-${kind}`] = count;
    return {
      seed: this.scenario.seed,
      theme: this.scenario.theme,
      broken: this.chronicle.broken,
      virtualMs: this.time.monotonicMs,
      settleMs,
      events: this.time.events,
      transactions: this.transactions,
      submitted: sum((c) => c.counters.submitted),
      fulfilled: sum((c) => c.counters.fulfilled),
      nodesUsed: sum((c) => c.counters.nodesUsed),
      instances: [...this.clouds.values()].reduce((total, cloud) => total + cloud.counters.created, 0),
      overshoot: this.promises.worstOvershoot,
      faults: this.chronicle.faults,
      hash: this.chronicle.hash,
      trace: this.chronicle.trace,
    };
  }

  /** Nothing of this world may go on when the next one begins. */
  private async end(): Promise<void> {
    for (const host of this.hosts) if (host.process.alive) host.process.kill();
    for (const consumer of this.consumers.values()) if (!consumer.ended) consumer.kill();
    await this.zk.close();
  }
}
