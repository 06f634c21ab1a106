/** Who is there to do the work: launchers, their pools, and the providers that none of them serves. */
import { type Finding, listed } from './finding.ts';
import { labelFindings } from './labels.ts';
import type { Snapshot } from './snapshot.ts';

export function launcherFindings(snapshot: Snapshot): Finding[] {
  const { launchers, pools, config } = snapshot;
  const base = { reasons: [], sinceMs: null };
  if (launchers.length === 0) {
    const work = snapshot.requests.length > 0 || snapshot.nodes.length > 0;
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
  return [...found, ...providerFindings(snapshot), ...labelFindings(snapshot)];
}

function providerFindings({ config, pools, health }: Snapshot): Finding[] {
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
