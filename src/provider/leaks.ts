/** Finds what a cloud holds for nodes that nobody knows any more: a suspect in two passes running is a leak. */
import type { CloudResource, ListedInstance } from '../driver-kit/contract.ts';
import { idText } from '../driver-kit/contract.ts';

export class LeakDetector {
  private readonly providerName: string;
  private suspects = new Set<string>();
  private doubles = new Set<string>();

  constructor(providerName: string) {
    this.providerName = providerName;
  }

  /** Resources that were unknown in this pass and in the one before; an instance may be there before or after its record. */
  pass(resources: readonly CloudResource[], isKnownNode: (nodeId: string) => boolean): CloudResource[] {
    const suspects = new Set<string>();
    const leaked: CloudResource[] = [];
    for (const resource of resources) {
      const { nodepool_provider_name: owner, nodepool_node_id: nodeId } = resource.metadata;
      if (owner !== this.providerName || nodeId === undefined || isKnownNode(nodeId)) continue;
      const key = `${resource.type}/${resource.id}`;
      suspects.add(key);
      if (this.suspects.has(key)) leaked.push(resource);
    }
    this.suspects = suspects;
    return leaked;
  }

  /**
   * Instances of a node that has another one, in this pass and in the one before: what a creation has left whose answer was
   * lost. `instanceOf` says which one the node has for good; null: it has none, or may still get another one.
   */
  surplus(
    instances: readonly ListedInstance[],
    instanceOf: (nodeId: string) => ListedInstance['externalId'] | null,
  ): ListedInstance[] {
    const suspects = new Set<string>();
    const found: ListedInstance[] = [];
    for (const instance of instances) {
      const { nodepool_provider_name: owner, nodepool_node_id: nodeId } = instance.metadata;
      if (owner !== this.providerName || nodeId === undefined) continue;
      const own = instanceOf(nodeId);
      const id = idText(instance.externalId);
      if (own === null || idText(own) === id) continue;
      suspects.add(id);
      if (this.doubles.has(id)) found.push(instance);
    }
    this.doubles = suspects;
    return found;
  }
}
