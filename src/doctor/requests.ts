/** Requests that get nowhere, and why, in the words of `explain`. Requests that wait for the same thing make one finding. */
import type { RequestRecord } from '../records/request.ts';
import { plus, type Resources } from '../base/resources.ts';
import { explainRequest } from '../scheduling/explain.ts';
import { tenantShortage } from '../scheduling/tenants.ts';
import { type Finding, grouped, leftOut, listed, mostAlike } from './finding.ts';
import type { Snapshot, SeenRequest } from './snapshot.ts';

/** Other launchers take over the requests of one that has gone well within this time. */
const repairMs = 30_000;

export function requestFindings(snapshot: Snapshot): Finding[] {
  const late = (since: number, byMs: number) => snapshot.nowMs - since > byMs;
  const stuck = snapshot.requests.filter((seen) => {
    const { request } = seen;
    if (request.state === 'requested') return late(seen.createdMs, snapshot.patienceMs);
    if (request.state === 'pending' && !seen.locked) return late(sinceOf(seen), repairMs);
    return late(sinceOf(seen), snapshot.patienceMs);
  });
  const groups = grouped(stuck, ({ request: r, locked }) =>
    JSON.stringify([r.state, locked, r.nodeTypes, r.tenantName, r.provider, r.reuse, [...r.declinedBy].sort()]),
  );
  const sorted = groups.map(oldestFirst).sort((a, b) => a[0]!.createdMs - b[0]!.createdMs);
  // Each explanation looks through all nodes.
  const found = sorted.slice(0, mostAlike).map((group) => judge(snapshot, group));
  return sorted.length > found.length ? [...found, leftOut(sorted.length - found.length, 'requests')] : found;
}

const sinceOf = ({ request, changedMs }: SeenRequest) => (request.stateTime > 0 ? request.stateTime * 1000 : changedMs);

const oldestFirst = (group: readonly SeenRequest[]) => [...group].sort((a, b) => a.createdMs - b.createdMs);

function judge(snapshot: Snapshot, group: readonly SeenRequest[]): Finding {
  const oldest = group[0]!;
  const { request } = oldest;
  const ids = group.map((seen) => seen.request.id);
  const labels = listed(request.nodeTypes);
  const many = group.length > 1;
  const who = many ? `${group.length} requests for ${labels}` : `the request for ${labels}`;
  const base = { subject: `request ${listed(ids)}`, sinceMs: sinceOf(oldest) };
  switch (request.state) {
    case 'requested':
      return { ...base, sinceMs: oldest.createdMs, ...waiting(snapshot, oldest, who, many) };
    case 'pending':
      return { ...base, ...pending(snapshot, oldest, who, many) };
    case 'fulfilled':
      return {
        ...base,
        severity: 'warning',
        check: 'request-not-collected',
        problem: `${who} ${many ? 'have' : 'has'} nodes, which nobody takes`,
        reasons: [`${request.requestor ?? 'the owner'} has not locked node ${listed(request.nodes)}`],
        hint: 'is the owner of the request running? Deleting the request returns its nodes to stock',
      };
    case 'failed':
      return {
        ...base,
        severity: 'warning',
        check: 'request-failed',
        problem: `${who} failed, and nobody has removed ${many ? 'them' : 'it'}`,
        reasons: [`declined by ${request.declinedBy.length} pools; their launchers' logs say why`],
        hint: 'is the owner of the request running?',
      };
  }
}

type Judgement = Pick<Finding, 'severity' | 'check' | 'problem' | 'reasons' | 'hint'>;

function waiting(snapshot: Snapshot, seen: SeenRequest, who: string, many: boolean): Judgement {
  const { request } = seen;
  const { pools } = snapshot;
  const reasons = explained(snapshot, seen);
  const wait = many ? 'wait' : 'waits';
  const serving = pools.filter((pool) => request.nodeTypes.every((label) => pool.supportedLabels.includes(label)));
  if (pools.length > 0 && pools.every(({ id }) => id !== null && request.declinedBy.includes(id))) {
    return {
      severity: 'warning',
      check: 'request-declined',
      problem: `${who} ${many ? 'were' : 'was'} declined by every registered pool, but not ended`,
      reasons,
      hint: "any launcher should mark it as failed within seconds; look at the launchers' logs",
    };
  }
  if (serving.length === 0) {
    return {
      severity: 'critical',
      check: 'request-unserved',
      problem: `${who} can be served by no registered pool`,
      reasons,
      hint: 'start a launcher for the provider of these labels, or see why its provider is not available',
    };
  }
  const short = shortOf(snapshot, request);
  if (short) {
    return {
      severity: short.never ? 'critical' : 'warning',
      check: 'tenant-limit',
      problem: `${who} ${many ? 'are' : 'is'} held back by the limits of tenant ${short.tenant}`,
      reasons,
      hint: short.never
        ? 'the limit is lower than this request alone: raise it, or ask for less'
        : 'nodes of the tenant have to come free first, or its limit has to be raised',
    };
  }
  const full = serving.every((pool) => pool.paused);
  return {
    severity: 'warning',
    check: 'request-waits',
    problem: `${who} ${wait} to be taken`,
    reasons,
    hint: full
      ? 'all pools for it are full: wait, raise their limits, or see what holds their nodes'
      : 'a pool could take it: is its launcher well? See what is said of launchers and providers',
  };
}

function pending(snapshot: Snapshot, seen: SeenRequest, who: string, many: boolean): Judgement {
  const { request, locked } = seen;
  const reasons = explained(snapshot, seen);
  if (!locked) {
    return {
      severity: snapshot.launchers.length > 0 ? 'critical' : 'warning',
      check: 'request-abandoned',
      problem: `${who} ${many ? 'were' : 'was'} taken, its launcher has gone or let go of it, and no other one goes on`,
      reasons,
      hint: 'a running launcher takes it over within seconds, a Python one resets it within a minute: is one running, is it in touch with ZooKeeper?',
    };
  }
  const nodes = snapshot.nodes.filter(({ node }) => node.allocatedTo === request.id);
  if (nodes.length < request.nodeTypes.length) {
    return {
      severity: 'warning',
      check: 'request-waits',
      problem: `${who} ${many ? 'were' : 'was'} taken and ${many ? 'wait' : 'waits'} for capacity`,
      reasons,
      hint: 'nodes of the pool have to come free, or its limits or quota have to be raised',
    };
  }
  return {
    severity: 'info',
    check: 'request-launching',
    problem: `${who} ${many ? 'have' : 'has'} launches under way for long`,
    reasons,
    hint: 'launches may take as long as launch-timeout of the provider; a launch that takes longer is named apart',
  };
}

/** What `explain` says, without its first line, which repeats the problem. */
function explained(snapshot: Snapshot, { request, locked }: SeenRequest): string[] {
  const { pools, config, nodes } = snapshot;
  return explainRequest(request, { pools, nodes, config, locked })
    .slice(1)
    .map((line) => line.trim());
}

function shortOf({ config, nodes }: Snapshot, { tenantName, nodeTypes }: RequestRecord) {
  const limits = tenantName === null ? undefined : config.tenantLimits.get(tenantName);
  if (tenantName === null || !limits) return null;
  const used = nodes
    .filter(({ node }) => node.tenantName === tenantName)
    .reduce<Resources>((sum, { node }) => plus(sum, node.resources ?? { instances: 1 }), {});
  return tenantShortage(tenantName, limits, used, { instances: nodeTypes.length });
}
