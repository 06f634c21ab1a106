/** Labels that nobody can get: unserved or unused ones, missing images, stock that is not filled up. */
import { minReadyRequestor } from '../scheduling/plan.ts';
import { type Finding, grouped, limited, listed } from './finding.ts';
import type { Snapshot } from './snapshot.ts';

export function labelFindings(snapshot: Snapshot): Finding[] {
  const { config, pools, hasUpload } = snapshot;
  const offered = new Set<string>();
  const found: Finding[] = [];
  const imageless: { readonly provider: string; readonly image: string; readonly label: string }[] = [];
  for (const provider of config.providers.values()) {
    for (const pool of provider.pools.values()) {
      for (const { name: label, image } of pool.labels.values()) {
        offered.add(label);
        if (image?.kind !== 'diskimage' || hasUpload(provider.name, image.name)) continue;
        imageless.push({ provider: provider.name, image: image.name, label });
      }
    }
  }
  const served = new Set(pools.flatMap((pool) => pool.supportedLabels));
  const base = { reasons: [], sinceMs: null };
  const unserved = [...config.labels.keys()].filter((label) => offered.has(label) && !served.has(label));
  if (unserved.length > 0) {
    found.push({
      ...base,
      severity: 'warning',
      check: 'label-unserved',
      subject: `label ${listed(unserved)}`,
      problem: 'no registered pool offers it',
      hint: 'see what is said of the providers that have it',
    });
  }
  const unoffered = [...config.labels.keys()].filter((label) => !offered.has(label) && !served.has(label));
  if (unoffered.length > 0) {
    found.push({
      ...base,
      severity: 'info',
      check: 'label-unused',
      subject: `label ${listed(unoffered)}`,
      problem: 'no pool of this configuration offers it',
      hint: 'add it to a pool, or remove it',
    });
  }
  found.push(...stockFindings(snapshot, served));
  for (const group of grouped(imageless, ({ provider, image }) => `${provider}\n${image}`)) {
    const { provider, image } = group[0]!;
    found.push({
      ...base,
      severity: 'warning',
      check: 'image-missing',
      subject: `image ${image}`,
      problem: `disk image ${image} has no ready upload for provider ${provider}`,
      reasons: [`label ${listed([...new Set(group.map(({ label }) => label))])} cannot be launched there`],
      hint: 'is a builder running? `nodepool info` shows builds and uploads',
    });
  }
  return limited(found, 'labels');
}

/** Low stock is only worth knowing: somebody may have taken a node a moment ago. */
function stockFindings({ config, nodes, requests }: Snapshot, served: ReadonlySet<string>): Finding[] {
  const short: string[] = [];
  for (const { name, minReady } of config.labels.values()) {
    if (minReady <= 0 || !served.has(name)) continue;
    const stock = nodes.filter(
      ({ node }) => node.state === 'ready' && node.allocatedTo === null && node.labels.includes(name),
    ).length;
    const asked = requests.filter(
      ({ request }) => request.requestor === minReadyRequestor && request.nodeTypes.includes(name),
    ).length;
    if (stock + asked < minReady) short.push(`${name}: ${stock} of ${minReady} in stock, ${asked} asked for`);
  }
  if (short.length === 0) return [];
  return [
    {
      severity: 'info',
      check: 'stock-low',
      subject: 'labels with min-ready',
      problem: 'there are fewer nodes in stock than there should be, and nobody has asked for more',
      reasons: short,
      sinceMs: null,
      hint: 'if it stays so: is there room in the pools, do their launches fail?',
    },
  ];
}
