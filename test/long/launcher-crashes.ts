/**
 * Launchers on one tree, at work, are killed and paused, and the leader of the ensemble with them. Looks at what consumers
 * are given, at what is left in the cloud, and at how soon launches find another launcher. Needs java and built programs.
 *
 * Usage: node --import ./test/run-typescript.mjs test/long/launcher-crashes.ts [--kills N] [--leaders N] [--pauses N]
 *          [--requests N] [--python] [--seed N] [--figures FILE]
 *
 * Goes on until all of that has happened; adds up its figures in FILE, so that a long run may be made of several.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { until } from '../interop/support/programs.ts';
import { consume, newTally } from './support/consumers.ts';
import { Watcher } from './support/watcher.ts';
import { World } from './support/world.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    leaders: { type: 'string', default: '3' },
    pauses: { type: 'string', default: '3' },
    requests: { type: 'string', default: '0' },
    python: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    figures: { type: 'string' },
  },
});
const left = { kills: Number(values.kills), leaders: Number(values.leaders), pauses: Number(values.pauses) };
const wanted = Number(values.requests);
const sessionSeconds = 4;
const requestBoundMs = 180_000;
const recordBoundMs = 120_000;

let seed = Number(values.seed);
/** mulberry32: good enough to choose victims. */
const random = () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

const world = new World({
  zookeepers: left.leaders > 0 ? 3 : 1,
  sessionSeconds,
  launchers: 3,
  python: values.python,
});
const started = performance.now();
const tally = newTally();
const done = { kills: 0, leaders: 0, pauses: 0 };
let failure: string | null = null;

try {
  await world.start();
  await world.settings({ bootDelayMs: 1500 });
  const watcher = new Watcher(world, recordBoundMs);
  let working = true;
  const consumers = Array.from({ length: 12 }, () =>
    consume({ world, tally, random, goesOn: () => working, boundMs: requestBoundMs, abandons: 0.05 }),
  );
  const pauses = new Set<Promise<void>>();
  const isOver = () =>
    left.kills + left.leaders + left.pauses === 0 && tally.fulfilled + tally.failed + tally.abandoned >= wanted;
  const broken = () => tally.violations.length + watcher.violations.length > 0;
  for (let looked = 0; !isOver() && !broken(); ) {
    await pause(300 + random() * 2200);
    if (performance.now() - looked > 2000) {
      looked = performance.now();
      await watcher.look();
      say(
        `${tally.fulfilled} fulfilled, ${tally.failed} failed, ${watcher.figures.takeOvers.length} of ${watcher.figures.orphaned} launches taken over; left: ${JSON.stringify(left)}`,
      );
    }
    const total = left.kills + left.leaders + left.pauses;
    const dice = random() * total;
    const able = world.members.filter(({ paused, running }) => !paused && running !== null);
    const victim = able[Math.floor(random() * able.length)];
    if (total === 0 || !victim) continue;
    if (dice < left.kills) {
      left.kills--;
      done.kills++;
      watcher.killed(victim);
      await world.kill(victim);
      await world.launch(victim);
    } else if (dice < left.kills + left.leaders) {
      left.leaders--;
      done.leaders++;
      const leader = await world.apache.leader();
      await leader.kill();
      await pause(1000);
      await leader.start();
    } else if (able.length > 1) {
      left.pauses--;
      done.pauses++;
      world.pause(victim);
      const over = pause(1000 + random() * 29_000).then(() => {
        world.resume(victim);
        pauses.delete(over);
      });
      pauses.add(over);
    }
  }
  await Promise.all(pauses);
  working = false;
  await Promise.all(consumers);
  let last: string | null = '';
  await until(
    () => `nothing is left over: ${last}`,
    async () => {
      last = await watcher.leftOver();
      return last === null;
    },
    recordBoundMs + 60_000,
  ).catch((error: unknown) => watcher.violations.push(String(error)));
  const { figures } = watcher;
  const violations = [...tally.violations, ...watcher.violations, ...figures.lost];
  const quantile = (numbers: readonly number[], q: number) =>
    [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))] ?? 0;
  const report = {
    ...done,
    minutes: (performance.now() - started) / 60_000,
    submitted: tally.submitted,
    fulfilled: tally.fulfilled,
    failed: tally.failed,
    abandoned: tally.abandoned,
    instancesGiven: tally.given.size,
    orphaned: figures.orphaned,
    kept: figures.kept,
    dropped: figures.dropped,
    lost: figures.lost.length,
    violations: violations.length,
  };
  say(JSON.stringify(report));
  say(
    `take-over p50 ${quantile(figures.takeOvers, 0.5).toFixed(1)} s, p99 ${quantile(figures.takeOvers, 0.99).toFixed(1)} s; requests ended after p50 ${quantile(tally.waits, 0.5).toFixed(1)} s, p99 ${quantile(tally.waits, 0.99).toFixed(1)} s`,
  );
  for (const violation of violations.slice(0, 20)) say(violation);
  if (values.figures) addUp(values.figures, report, figures.takeOvers);
  if (violations.length > 0) failure = `${violations.length} violations`;
  const late = quantile(figures.takeOvers, 0.99);
  if (late > sessionSeconds + 5 && done.leaders + done.pauses === 0) failure ??= `take-over took ${late} s`;
} finally {
  if (failure !== null || process.exitCode) {
    for (const member of world.members) {
      if (member.running) writeFileSync(`/tmp/crashes-${member.name}.log`, member.running.output());
    }
  }
  await world.stop();
}
if (failure !== null) {
  say(`FAILED: ${failure}`);
  process.exitCode = 1;
}

function addUp(file: string, report: Readonly<Record<string, number>>, takeOvers: readonly number[]): void {
  const before = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { sums: Record<string, number>; takeOvers: number[] })
    : { sums: {}, takeOvers: [] };
  const sums = { ...before.sums };
  for (const [name, value] of Object.entries(report)) sums[name] = (sums[name] ?? 0) + value;
  const all = [...before.takeOvers, ...takeOvers.map((seconds) => Math.round(seconds * 100) / 100)];
  writeFileSync(file, `${JSON.stringify({ sums, takeOvers: all }, null, 1)}\n`);
}
