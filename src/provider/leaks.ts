/** Finds what a cloud holds for nodes that nobody knows any more: a suspect in two passes running is a leak. */
import type { CloudResource } from './adapter.ts';

export class LeakDetector {
  private readonly providerName: string;
  private suspects = new Set<string>();

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
}
