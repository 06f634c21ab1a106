/** What of an account's limits is left for this provider's nodes: the limits less what is there and not theirs. */
import type { Resources } from '../base/resources.ts';
import type { ListedInstance } from '../driver-kit/contract.ts';

/**
 * Not ours is what carries another provider's name or none, and what is ours by name but belongs to no known node: a leaked
 * instance takes up quota too. Limits stay apart by resource; what has no limit stays without. May go below 0.
 */
export function lessForeignUse(
  limits: Resources,
  instances: Iterable<ListedInstance>,
  providerName: string,
  isKnownNode: (nodeId: string) => boolean,
): Resources {
  const left: Record<string, number> = {};
  for (const [name, limit] of Object.entries(limits)) if (Number.isFinite(limit)) left[name] = limit;
  for (const { metadata, resources } of instances) {
    const { nodepool_provider_name: owner, nodepool_node_id: nodeId } = metadata;
    if (owner === providerName && nodeId !== undefined && isKnownNode(nodeId)) continue;
    for (const [name, amount] of Object.entries(resources)) if (left[name] !== undefined) left[name] -= amount;
  }
  return left;
}
