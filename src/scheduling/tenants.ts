/** Limits of tenants: a request over its tenant's limit is left alone until the tenant has room (spec: launcher, quota). */
import type { NodeRecord } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import { plus, type ResourceTotal, type Resources, type Shortage, shortage } from '../base/resources.ts';
import type { PlanPool } from './plan.ts';

export interface TenantShortage extends Shortage {
  readonly tenant: string;
  /** It would not fit if the tenant had nothing else. */
  readonly never: boolean;
}

/** Whose limit the node counts for. In stock it is nobody's, whatever its document still says of an earlier request. */
export function tenantOf(node: Pick<NodeRecord, 'state' | 'allocatedTo' | 'tenantName'>): string | null {
  return node.state === 'ready' && node.allocatedTo === null ? null : node.tenantName;
}

/** What the whole request takes in that pool. */
export function requestNeed(request: RequestRecord, pool: Pick<PlanPool, 'need'>): Resources {
  return request.nodeTypes.reduce<Resources>((sum, label) => plus(sum, pool.need(label) ?? {}), {});
}

export function tenantShortage(
  tenant: string,
  limits: Resources,
  used: ResourceTotal | Resources,
  need: Resources,
): TenantShortage | null {
  const never = shortage(limits, {}, need);
  const short = never ?? shortage(limits, used, need);
  return short && { ...short, tenant, never: never !== null };
}

export function describeTenantShortage(s: TenantShortage): string {
  const limit = `tenant ${s.tenant} may use ${s.limit} ${s.resource}`;
  return s.never
    ? `${limit}, the request alone needs ${s.needed}`
    : `${limit} and uses ${s.used}, ${s.needed} more are needed`;
}
