/** Watches a tree and a cloud from outside: instances without a record, and what becomes of launches when a launcher dies. */
import { idText } from '../../../src/driver-kit/contract.ts';
import { isBroken } from '../../../src/records/broken.ts';
import { resumableLaunch } from '../../../src/launcher/serving/stored-launch.ts';
import type { NodeEntry, Store } from '../../../src/store/mirrors/store.ts';
import type { Member, World } from './world.ts';

interface Orphan {
  readonly nodeId: string;
  readonly externalId: string;
  readonly sinceMs: number;
  readonly contenders: ReadonlySet<string>;
}

export interface Figures {
  /** Launches under way whose launcher was killed. */
  orphaned: number;
  /** Of them with the same instance to the end. */
  kept: number;
  /** Whose request was withdrawn or ended otherwise. */
  dropped: number;
  lost: string[];
  /** Seconds from the kill until another launcher held the node. */
  readonly takeOvers: number[];
}

export class Watcher {
  readonly figures: Figures = { orphaned: 0, kept: 0, dropped: 0, lost: [], takeOvers: [] };
  readonly violations: string[] = [];
  private readonly world: World;
  private readonly orphans = new Map<string, Orphan>();
  private readonly ended = new Set<string>();
  private readonly unrecorded = new Map<string, number>();
  private readonly boundMs: number;

  constructor(world: World, boundMs: number) {
    this.world = world;
    this.boundMs = boundMs;
    world.store.nodes.onChange((id, _before, after) => this.changed(id, after));
  }

  private get store(): Store {
    return this.world.store;
  }

  /** To be called at the moment when the member is killed. */
  killed(member: Member): void {
    if (member.python) return;
    for (const id of [...this.store.nodes.byState('building')]) {
      const entry = this.store.nodes.get(id);
      const node = entry?.node;
      if (!entry || !node || isBroken(node) || node.allocatedTo === null || this.orphans.has(id)) continue;
      const launch = resumableLaunch(node);
      if (!launch || node.launcher === null || !member.pools.has(node.launcher)) continue;
      const { contenders } = entry;
      this.orphans.set(id, {
        nodeId: id,
        externalId: idText(launch.externalId),
        sinceMs: performance.now(),
        contenders,
      });
      this.figures.orphaned++;
    }
  }

  private changed(id: string, after: NodeEntry | undefined): void {
    const orphan = this.orphans.get(id);
    if (!orphan) return;
    const node = after?.node;
    const end = () => this.orphans.delete(id);
    if (!after || !node || isBroken(node)) {
      // Withdrawn by its consumer, or of no use to a request that was declined meanwhile.
      this.figures.dropped++;
      end();
      return;
    }
    if (!this.ended.has(id) && [...after.contenders].some((name) => !orphan.contenders.has(name))) {
      this.ended.add(id);
      this.figures.takeOvers.push((performance.now() - orphan.sinceMs) / 1000);
    }
    if (node.state === 'ready') {
      if (idText(node.externalId) === orphan.externalId) this.figures.kept++;
      else this.figures.lost.push(`node ${id}: ${orphan.externalId} became ${String(node.externalId)}`);
      end();
    }
  }

  /** P4: everything in the cloud is recorded, but for what is younger than the bound. */
  async look(): Promise<void> {
    const instances = await this.world.instances();
    const known = new Set<string>();
    for (const { node } of this.store.nodes.all()) {
      if (node && !isBroken(node) && node.externalId !== null) known.add(idText(node.externalId));
    }
    const now = performance.now();
    for (const id of [...this.unrecorded.keys()])
      if (!instances.includes(id) || known.has(id)) this.unrecorded.delete(id);
    for (const id of instances) {
      if (known.has(id)) continue;
      const since = this.unrecorded.get(id) ?? now;
      this.unrecorded.set(id, since);
      if (now - since > this.boundMs) {
        this.violations.push(`P4: instance ${id} has had no record for ${Math.round((now - since) / 1000)} s`);
        this.unrecorded.set(id, Number.POSITIVE_INFINITY);
      }
    }
  }

  /** What is left when nobody asks for anything any more: stock only, and the cloud holds what the records say. */
  async leftOver(): Promise<string | null> {
    const records = [...this.store.nodes.all()];
    const strange = records.filter(
      ({ node, locked }) => !node || isBroken(node) || node.state !== 'ready' || node.allocatedTo !== null || locked,
    );
    if (strange.length > 0) {
      return `nodes: ${strange.map(({ id, node, locked }) => `${id} ${node && !isBroken(node) ? `${node.state} of ${node.provider} for ${node.allocatedTo}` : '?'}${locked ? ' locked' : ''}`).join(', ')}`;
    }
    const ours = records.filter(({ node }) => node && !isBroken(node) && node.provider === 'shared');
    const instances = await this.world.instances();
    if (instances.length !== ours.length) return `${instances.length} instances for ${ours.length} nodes`;
    return null;
  }
}
