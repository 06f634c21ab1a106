/** Who is there to do the work: launchers, providers, pools, labels, images; and what launchers say of themselves. */
import { minReadyRequestor } from '../scheduling/plan.ts';
import { type Finding, grouped, limited, listed } from './finding.ts';
import type { Picture } from './picture.ts';

export function launcherFindings(picture: Picture): Finding[] {
  const { launchers, pools, config } = picture;
  const base = { reasons: [], sinceMs: null };
  if (launchers.length === 0) {
    const work = picture.requests.length > 0 || picture.nodes.length > 0;
    return [
      {
        ...base,
        severity: work || config.providers.size > 0 ? 'critical' : 'warning',
        check: 'no-launcher',
        subject: 'launchers',
        problem: 'no launcher is running',
        hint: 'start one: `nodepool launcher`, or `nodepool up` with everything in one process',
      },
    ];
  }
  const found: Finding[] = [];
  const withPools = new Set(pools.map((pool) => pool.hostname));
  for (const hostname of new Set(launchers.map((launcher) => launcher.hostname))) {
    if (withPools.has(hostname) || config.providers.size === 0) continue;
    found.push({
      ...base,
      severity: 'warning',
      check: 'launcher-without-pools',
      subject: `launcher ${hostname}`,
      problem: 'the launcher is registered, but none of its pools is',
      hint: 'none of its providers has come up: its log, or the launcher itself below, says why',
    });
  }
  return [...found, ...providerFindings(picture), ...labelFindings(picture)];
}

function providerFindings({ config, pools, health }: Picture): Finding[] {
  const found: Finding[] = [];
  for (const provider of config.providers.values()) {
    const registered = new Set(pools.filter((pool) => pool.providerName === provider.name).map((pool) => pool.name));
    const missing = [...provider.pools.keys()].filter((name) => !registered.has(name));
    if (missing.length === 0) continue;
    const key = `provider ${provider.name}: start`;
    const said = health.flatMap(({ record }) => record?.troubles.filter((trouble) => trouble.key === key) ?? []);
    found.push({
      severity: registered.size === 0 ? 'critical' : 'warning',
      check: 'provider-offline',
      subject: `provider ${provider.name}`,
      problem:
        registered.size === 0
          ? 'no launcher serves this provider'
          : `no launcher serves pool ${listed(missing)} of this provider`,
      reasons: said.map(({ why }) => why),
      sinceMs: said.length > 0 ? Math.min(...said.map(({ since }) => since * 1000)) : null,
      hint:
        said.length > 0
          ? 'a launcher tries it again and again; mend the reason'
          : 'is a launcher running that has this provider in its configuration?',
    });
  }
  return found;
}

function labelFindings(picture: Picture): Finding[] {
  const { config, pools, hasUpload } = picture;
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
  found.push(...stockFindings(picture, served));
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

/** Somebody may have taken a node a moment ago: only worth knowing. */
function stockFindings({ config, nodes, requests }: Picture, served: ReadonlySet<string>): Finding[] {
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

/** What only a launcher can know, in its own words. */
export function statedFindings({ health }: Picture): Finding[] {
  const found: Finding[] = [];
  for (const { name, record, writtenMs } of health) {
    if (!record) {
      found.push({
        severity: 'warning',
        check: 'launcher-health',
        subject: `launcher ${name}`,
        problem: 'what the launcher says of its health cannot be read',
        reasons: [],
        sinceMs: writtenMs,
        hint: 'is it a newer release, or has somebody else written it?',
      });
      continue;
    }
    const subject = `launcher ${record.hostname} (process ${record.processId})`;
    for (const { key, severity, what, why, hint, since, figures } of record.troubles) {
      const numbers = Object.entries(figures).map(([figure, value]) => `${figure} ${value}`);
      found.push({
        severity,
        check: `launcher: ${key}`,
        subject,
        problem: what,
        reasons: [why, ...(numbers.length > 0 ? [numbers.join(', ')] : [])],
        sinceMs: since > 0 ? since * 1000 : null,
        hint,
      });
    }
    if (record.more > 0) {
      found.push({
        severity: 'info',
        check: 'launcher-health',
        subject,
        problem: `it has ${record.more} further troubles`,
        reasons: [],
        sinceMs: null,
        hint: 'its log has all of them',
      });
    }
  }
  return limited(found, 'launchers');
}
