/** In words, why a request or a node is as it is, from what is in the tree and in the configuration. Pure. */
import type { NodepoolConfig } from '../config/model.ts';
import type { ComponentRecord } from '../records/component.ts';
import type { HealthRecord } from '../records/health.ts';
import type { NodeRecord } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import { plus, type Resources, shortage } from '../base/resources.ts';
import { describeTenantShortage, tenantOf, tenantShortage } from './tenants.ts';

export interface RequestSurroundings {
  /** Registered pools of all launchers. */
  readonly pools: readonly ComponentRecord[];
  readonly nodes: readonly { readonly node: NodeRecord; readonly locked: boolean }[];
  readonly config: NodepoolConfig;
  readonly locked: boolean;
}

export function explainRequest(request: RequestRecord, s: RequestSurroundings): string[] {
  const head = `request ${request.id} for ${request.nodeTypes.join(', ')} is ${request.state}`;
  const nodes = s.nodes.filter(({ node }) => node.allocatedTo === request.id);
  switch (request.state) {
    case 'fulfilled':
      return [`${head}: nodes ${request.nodes.join(', ')} wait for ${request.requestor ?? 'its owner'} to take them`];
    case 'failed':
      return [`${head}: every registered pool declined it (${request.declinedBy.length})`];
    case 'pending': {
      const states = nodes.map(
        ({ node }) => `  node ${node.id} (${node.labels.join(',')}) is ${node.state}${machineText(node)}`,
      );
      if (!s.locked) return [`${head}, but no launcher holds it: it will be reset and taken again`, ...states];
      const missing = request.nodeTypes.length - nodes.length;
      const wait = missing > 0 ? [`  ${missing} more to come; ${capacityText(request, s)}`] : [];
      return [`${head}: a launcher is at work on it`, ...states, ...wait];
    }
    case 'requested':
      return [head, ...[...tenantLines(request, s), ...poolLines(request, s)].map((line) => `  ${line}`)];
  }
}

/** By what the documents say; what a label takes beyond one instance only its launcher knows. */
function tenantLines(request: RequestRecord, s: RequestSurroundings): string[] {
  const tenant = request.tenantName;
  const limits = tenant === null ? undefined : s.config.tenantLimits.get(tenant);
  if (tenant === null || !limits) return [];
  const own = s.nodes.filter(({ node }) => tenantOf(node) === tenant);
  const used = own.reduce<Resources>((sum, { node }) => plus(sum, node.resources ?? { instances: 1 }), {});
  const short = tenantShortage(tenant, limits, used, { instances: request.nodeTypes.length });
  if (short) return [describeTenantShortage(short)];
  const parts = Object.entries(limits).map(([name, limit]) => `${used[name] ?? 0} of ${limit} ${name}`);
  return [`tenant ${tenant} uses ${parts.join(', ')}`];
}

function poolLines(request: RequestRecord, s: RequestSurroundings): string[] {
  if (s.pools.length === 0) return ['no pool is registered: is a launcher running?'];
  return s.pools.map((pool) => {
    const name = `${pool.providerName ?? '?'} ${pool.name ?? '?'} on ${pool.hostname}`;
    if (pool.id !== null && request.declinedBy.includes(pool.id)) return `${name}: has declined it`;
    const missing = request.nodeTypes.filter((label) => !pool.supportedLabels.includes(label));
    if (missing.length > 0) return `${name}: does not serve ${[...new Set(missing)].join(', ')}`;
    if (pool.paused) return `${name}: is full, requests before this one wait too; ${capacityOf(pool, request, s)}`;
    return `${name}: can serve it; ${capacityOf(pool, request, s)}`;
  });
}

function capacityText(request: RequestRecord, s: RequestSurroundings): string {
  const able = s.pools.filter((pool) => request.nodeTypes.every((label) => pool.supportedLabels.includes(label)));
  return (
    able.map((pool) => `${pool.providerName ?? '?'} ${pool.name ?? '?'}: ${capacityOf(pool, request, s)}`).join('; ') ||
    'no registered pool serves it'
  );
}

function capacityOf(pool: ComponentRecord, request: RequestRecord, s: RequestSurroundings): string {
  const config = s.config.providers.get(pool.providerName ?? '')?.pools.get(pool.name ?? '');
  const own = s.nodes.filter(({ node }) => node.provider === pool.providerName && node.pool === pool.name);
  const free = own.filter(
    ({ node, locked }) =>
      node.state === 'ready' &&
      node.allocatedTo === null &&
      !locked &&
      node.labels.some((l) => request.nodeTypes.includes(l)),
  );
  if (free.length > 0 && request.reuse) return `${free.length} nodes in stock`;
  if (!config) return 'its limits are not in this configuration file';
  const used = own.reduce<Resources>((sum, { node }) => plus(sum, node.resources ?? { instances: 1 }), {});
  const short = shortage(config.limits, used, { instances: 1 });
  return short ? `${short.used} of ${short.limit} ${short.resource} in use` : `${own.length} nodes, room for more`;
}

export interface NodeSurroundings {
  readonly locked: boolean;
  readonly requestExists: boolean;
  readonly config: NodepoolConfig;
}

export function explainNode(node: NodeRecord, s: NodeSurroundings): string[] {
  const head = `node ${node.id} (${node.labels.join(', ')}, provider ${node.provider ?? 'none'}) is ${node.state}`;
  const foreign =
    node.provider !== null && !s.config.providers.has(node.provider)
      ? ['  its provider is not in this configuration']
      : [];
  const lines: string[] = [];
  switch (node.state) {
    case 'ready':
      if (node.allocatedTo === null) lines.push('it is in stock, free for the next request');
      else if (s.requestExists) lines.push(`it is reserved for request ${node.allocatedTo}`);
      else
        lines.push(
          `it was reserved for request ${node.allocatedTo}, which is gone: it ${s.locked ? 'is locked by its owner' : 'will be freed'}`,
        );
      break;
    case 'init':
    case 'building':
      lines.push(
        s.locked
          ? `a launcher (${node.launcher ?? '?'}) is making it${machineText(node)}`
          : 'nobody is making it any more: it will be removed',
      );
      break;
    case 'in-use':
      lines.push(s.locked ? `${node.requestor ?? 'its owner'} is using it` : 'its owner is gone: it will be removed');
      break;
    case 'hold':
      lines.push(`it is kept for a person${node.comment === null ? '' : ` (${node.comment})`}`);
      break;
    default:
      lines.push(s.locked ? 'a launcher is removing it' : 'it will be removed by the launcher of its provider');
  }
  return [head, ...lines.map((line) => `  ${line}`), ...foreign];
}

function machineText(node: NodeRecord): string {
  return node.externalId === null ? '' : ', its instance exists in the cloud';
}

/** What launchers say is wrong, and more than worth knowing, with the providers that could serve these labels, or with the one that has the node. */
export function explainProviders(
  of: { readonly labels: readonly string[] } | { readonly provider: string | null },
  config: NodepoolConfig,
  health: readonly HealthRecord[],
): string[] {
  const concerned = [...config.providers.values()].filter((provider) =>
    'provider' in of
      ? provider.name === of.provider
      : [...provider.pools.values()].some((pool) => of.labels.every((label) => pool.labels.has(label))),
  );
  const lines = concerned.flatMap(({ name }) =>
    health.flatMap(({ hostname, troubles }) =>
      troubles
        .filter(({ key, severity }) => severity !== 'info' && key.startsWith(`provider ${name}: `))
        .map(({ what, why }) => `  ${hostname} says: ${what}${why ? `: ${why}` : ''}`),
    ),
  );
  // Several launchers of a machine say the same.
  return [...new Set(lines)];
}
