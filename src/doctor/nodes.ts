/** Nodes that should have another state by now. Nodes of one provider with the same trouble make one finding. */
import type { NodeRecord } from '../records/node.ts';
import { type Finding, grouped, limited, listed } from './finding.ts';
import type { Snapshot, SeenNode } from './snapshot.ts';

/** Launchers have done by then what they do at once. */
const repairMs = 60_000;
const deletingMs = 600_000;
const agePatienceMs = 300_000;
const unknownLaunchTimeoutMs = 3_600_000;

interface Judgement {
  readonly check: string;
  readonly severity: Finding['severity'];
  /** The text behind `2 nodes of provider x`, for one node as well as for many. */
  readonly problem: string;
  readonly hint: string;
  readonly sinceMs: number;
  /** The finding names the holder of the node's lock. */
  readonly askHolder?: true;
}

export async function nodeFindings(snapshot: Snapshot): Promise<Finding[]> {
  const requestIds = new Set(snapshot.requests.map(({ request }) => request.id));
  for (const { kind, id } of snapshot.broken) if (kind === 'request') requestIds.add(id);
  const judged = snapshot.nodes.flatMap((seen) => {
    const judgement = judge(snapshot, seen, requestIds);
    return judgement ? [{ seen, judgement }] : [];
  });
  const groups = grouped(judged, ({ seen, judgement }) =>
    JSON.stringify([judgement.check, judgement.problem, seen.node.provider, seen.node.state]),
  );
  const found = await Promise.all(
    groups.map(async (group): Promise<Finding> => {
      const oldest = group.reduce((a, b) => (b.judgement.sinceMs < a.judgement.sinceMs ? b : a));
      const { provider } = oldest.seen.node;
      const { check, severity, problem, hint, sinceMs, askHolder } = oldest.judgement;
      const ids = group.map(({ seen }) => seen.node.id);
      return {
        check,
        severity,
        subject: `node ${listed(ids)}`,
        problem: `${ids.length === 1 ? 'a node' : `${ids.length} nodes`} of provider ${provider ?? 'none'}: ${problem}`,
        reasons: askHolder ? await holderReasons(snapshot, oldest.seen.node.id) : [],
        sinceMs,
        hint,
      };
    }),
  );
  return limited([...found, ...foreignFindings(snapshot)], 'nodes');
}

async function holderReasons(snapshot: Snapshot, id: string): Promise<string[]> {
  const holder = await snapshot.holder(id);
  if (!holder) return [];
  const by = holder.session === '0' ? 'a persistent lock' : `session 0x${holder.session}`;
  const words = holder.words === '' ? '' : ` (${holder.words})`;
  return [`node ${id} is locked by ${by}${words} since ${new Date(holder.sinceMs).toISOString()}`];
}

function judge(snapshot: Snapshot, seen: SeenNode, requestIds: ReadonlySet<string>): Judgement | null {
  const { node, locked, changedMs } = seen;
  const sinceMs = node.stateTime > 0 ? node.stateTime * 1000 : changedMs;
  const ageMs = snapshot.nowMs - sinceMs;
  switch (node.state) {
    case 'init':
      return ageMs > repairMs && !locked ? abandoned(sinceMs, 'its launch never began') : null;
    case 'building':
      return locked ? building(snapshot, node, sinceMs, ageMs) : unlocked(ageMs, sinceMs, 'its launcher has gone');
    case 'ready':
      return ready(snapshot, node, locked, requestIds, sinceMs, ageMs);
    case 'in-use':
    case 'testing':
      return locked || node.state === 'testing' ? null : unlocked(ageMs, sinceMs, 'its user has gone');
    case 'hold':
      return hold(snapshot, node, sinceMs, ageMs);
    case 'used':
      if (!locked) return unlocked(ageMs, sinceMs, 'it is used');
      if (ageMs <= snapshot.patienceMs) return null;
      return {
        check: 'node-used-locked',
        severity: 'warning',
        problem: 'marked as used, but its user has not let go of the lock',
        hint: 'the user (an executor of Zuul, for one) has to end its session or release the lock; restart it if it hangs',
        sinceMs,
        askHolder: true,
      };
    case 'deleting':
    case 'deleted':
    case 'failed':
    case 'aborted':
      if (!locked) return unlocked(ageMs, sinceMs, `it is ${node.state}`);
      if (ageMs <= deletingMs) return null;
      return {
        check: 'node-deleting',
        severity: 'warning',
        problem: 'its deletion takes long',
        hint: 'the cloud does not let go of it: look at the instance there, and at what is said of the provider',
        sinceMs,
        askHolder: true,
      };
  }
}

function abandoned(sinceMs: number, why: string): Judgement {
  return {
    check: 'node-not-removed',
    severity: 'warning',
    problem: `${why}, and nobody removes it`,
    hint: 'the launcher of its provider does that within seconds: is it running, is its provider available?',
    sinceMs,
  };
}

const unlocked = (ageMs: number, sinceMs: number, why: string): Judgement | null =>
  ageMs > repairMs ? abandoned(sinceMs, why) : null;

function building(snapshot: Snapshot, node: NodeRecord, sinceMs: number, ageMs: number): Judgement | null {
  const provider = snapshot.config.providers.get(node.provider ?? '');
  const oneMs = provider?.launchTimeoutMs ?? unknownLaunchTimeoutMs;
  const allMs = oneMs * Math.max(1, provider?.launchRetries ?? 1);
  if (ageMs <= oneMs) return null;
  return {
    check: 'node-building',
    severity: ageMs > allMs + deletingMs ? 'critical' : 'warning',
    problem:
      ageMs > allMs
        ? 'its launch takes longer than all attempts may take'
        : 'its launch takes longer than launch-timeout',
    hint: "look at the instance in the cloud and at the launcher's log; what may take long can be given a longer launch-timeout",
    sinceMs,
    askHolder: true,
  };
}

function ready(
  snapshot: Snapshot,
  node: NodeRecord,
  locked: boolean,
  requestIds: ReadonlySet<string>,
  sinceMs: number,
  ageMs: number,
): Judgement | null {
  if (node.allocatedTo !== null) {
    if (requestIds.has(node.allocatedTo) || ageMs <= repairMs) return null;
    return {
      check: 'node-reserved-for-nobody',
      severity: 'warning',
      problem: `reserved for a request that is gone${locked ? ', and locked' : ''}`,
      hint: locked
        ? 'whoever holds the lock has to let go of it'
        : 'the launcher of its provider frees it within seconds: is it running, is its provider available?',
      sinceMs,
      ...(locked ? { askHolder: true } : {}),
    };
  }
  const limits = node.labels
    .map((label) => snapshot.config.labels.get(label)?.maxReadyAgeMs ?? 0)
    .filter((limit) => limit > 0);
  if (limits.length === 0 || ageMs <= Math.min(...limits) + agePatienceMs) return null;
  return {
    check: 'node-too-old',
    severity: 'warning',
    problem: 'in stock for longer than max-ready-age',
    hint: 'the launcher of its provider removes it: is it running, does it use this configuration?',
    sinceMs,
  };
}

function hold(snapshot: Snapshot, node: NodeRecord, sinceMs: number, ageMs: number): Judgement | null {
  const limits = [(node.holdExpiration ?? 0) * 1000, snapshot.config.maxHoldAgeMs].filter((limit) => limit > 0);
  if (limits.length === 0 || ageMs <= Math.min(...limits) + agePatienceMs) return null;
  return {
    check: 'node-hold-expired',
    severity: 'warning',
    problem: 'held for longer than it may be',
    hint: 'the launcher of its provider removes it: is it running? A lock on it keeps it: `nodepool list` shows that',
    sinceMs,
  };
}

/** Nodes of providers that nobody has any more: no launcher will ever remove their instances. */
function foreignFindings({ nodes, pools, config, nowMs, patienceMs }: Snapshot): Finding[] {
  const served = new Set([...pools.map((pool) => pool.providerName), ...config.providers.keys()]);
  const foreign = nodes.filter(
    ({ node, createdMs }) => node.provider !== null && !served.has(node.provider) && nowMs - createdMs > patienceMs,
  );
  return grouped(foreign, ({ node }) => node.provider!).map((group) => ({
    check: 'node-of-nobody',
    severity: 'warning',
    subject: `provider ${group[0]!.node.provider!}`,
    problem: `${group.length} nodes belong to a provider that neither this configuration nor any launcher has`,
    reasons: [`node ${listed(group.map(({ node }) => node.id))}`],
    sinceMs: Math.min(...group.map(({ createdMs }) => createdMs)),
    hint: 'bring the provider back until they are gone, or remove their instances by hand and then the records',
  }));
}
