/** Names of what is made for a node, and the way back from them (spec: driver-kubernetes §2). */

/** Unique for each attempt, so that a new one never meets what the last one left. */
export function attemptName(prefix: string, nodeId: string, attempt: number): string {
  return `${prefix}-${nodeId}-${attempt}`;
}

/**
 * Where a pod may be that is known as `<project>-<pod>`: projects that are pools of the provider first, the longest first,
 * since `a` and `a-b` can both be pools; then every other way to read it.
 */
export function podPlaces(
  externalId: string,
  pools: readonly string[],
): { readonly project: string; readonly pod: string }[] {
  const known = pools.filter((pool) => externalId.startsWith(`${pool}-`)).sort((a, b) => b.length - a.length);
  const dashes = [...externalId.matchAll(/-/g)].map(({ index }) => externalId.slice(0, index)).reverse();
  // Without a label, a node and an attempt it is no name of ours.
  const others = dashes.filter((project) => /^[^-].*-\d+(-\d+)?$/.test(externalId.slice(project.length + 1)));
  return [...new Set([...known, ...others])].map((project) => ({ project, pod: externalId.slice(project.length + 1) }));
}
