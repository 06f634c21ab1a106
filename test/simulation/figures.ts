/** What a long run has added up so far, in a file: how far it came, what happened in its worlds, what went wrong in them. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Outcome } from './world.ts';

export interface Figures {
  /** The next one to be run. */
  nextSeed: number;
  seeds: number;
  broken: { readonly seed: number; readonly promise: string; readonly message: string }[];
  virtualHours: number;
  events: number;
  transactions: number;
  requests: number;
  fulfilled: number;
  nodesUsed: number;
  instances: number;
  longestSettleSeconds: number;
  /** Nodes of a pool beyond its limit, and in how many worlds it was so. */
  largestOvershoot: number;
  overshot: number;
  readonly themes: Record<string, number>;
  readonly faults: Record<string, number>;
}

export function newFigures(firstSeed: number): Figures {
  return {
    nextSeed: firstSeed,
    seeds: 0,
    broken: [],
    virtualHours: 0,
    events: 0,
    transactions: 0,
    requests: 0,
    fulfilled: 0,
    nodesUsed: 0,
    instances: 0,
    longestSettleSeconds: 0,
    largestOvershoot: 0,
    overshot: 0,
    themes: {},
    faults: {},
  };
}

export function loadFigures(path: string, firstSeed: number): Figures {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Figures) : newFigures(firstSeed);
}

/** All or nothing: an interrupted run leaves the file as it was. */
export function saveFigures(path: string, figures: Figures): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(figures, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

export function add(figures: Figures, outcome: Outcome): void {
  figures.nextSeed = outcome.seed + 1;
  figures.seeds++;
  figures.virtualHours += outcome.virtualMs / 3_600_000;
  figures.events += outcome.events;
  figures.transactions += outcome.transactions;
  figures.requests += outcome.submitted;
  figures.fulfilled += outcome.fulfilled;
  figures.nodesUsed += outcome.nodesUsed;
  figures.instances += outcome.instances;
  figures.longestSettleSeconds = Math.max(figures.longestSettleSeconds, Math.round(outcome.settleMs / 1000));
  figures.largestOvershoot = Math.max(figures.largestOvershoot, outcome.overshoot);
  if (outcome.overshoot > 0) figures.overshot++;
  count(figures.themes, outcome.theme, 1);
  for (const [kind, times] of Object.entries(outcome.faults)) count(figures.faults, kind, times);
  if (outcome.broken) figures.broken.push({ seed: outcome.seed, ...outcome.broken });
}

function count(into: Record<string, number>, key: string, times: number): void {
  into[key] = (into[key] ?? 0) + times;
}
