/**
 * Runs simulated worlds, seed after seed, and says what they show.
 *
 *   node --import ./test/run-typescript.mjs test/simulation/run.ts --seeds 300 --from 1
 *     --minutes N     no more than that
 *     --figures FILE  goes on where FILE stopped, and adds up what happened there
 *     --plant NAME    with a planted bug; ends well when it is found. `all`: each of them, in processes of their own
 *     --trace FILE    writes each line of what happened; with one seed
 *     --shapes FILE   writes one example of each kind of document, for test/simulation/peer_shapes.py
 *
 * A broken promise is replayed with its last lines, and ends the run with status 1 (with --figures: it is noted and the run
 * goes on).
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Shapes } from './documents.ts';
import { add, loadFigures, newFigures, saveFigures } from './figures.ts';
import { type Plant, plantNamed, plants } from './plants.ts';
import { type Outcome, World, type WorldOptions } from './world.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    figures: { type: 'string' },
    plant: { type: 'string' },
    trace: { type: 'string' },
    shapes: { type: 'string' },
  },
});

const print = (text: string) => process.stdout.write(`${text}\n`);

function describe(outcome: Outcome): string {
  const { seed, theme, broken } = outcome;
  return `seed ${seed} (${theme}) breaks ${broken!.promise}: ${broken!.message}`;
}

/** The same again with all lines; what it shows must be the same too. */
async function replay(outcome: Outcome, options: Partial<WorldOptions>): Promise<void> {
  print(describe(outcome));
  const again = await new World({ ...options, seed: outcome.seed, traced: true }).run();
  for (const line of again.trace.slice(-50)) print(`  ${line.slice(0, 400)}`);
  if (again.broken?.message !== outcome.broken?.message) print('  THE REPLAY WAS ANOTHER ONE');
}

async function runSeeds(plant: Plant | null): Promise<number> {
  const from = Number(values.from);
  const figures = values.figures === undefined ? newFigures(from) : loadFigures(values.figures, from);
  const shapes = new Shapes();
  const options: Partial<WorldOptions> = { shapes, ...plant?.wraps };
  const startedMs = performance.now();
  const endMs = values.minutes === undefined ? Number.POSITIVE_INFINITY : startedMs + Number(values.minutes) * 60_000;
  const last = values.figures === undefined ? from + Number(values.seeds) : figures.nextSeed + Number(values.seeds);
  plant?.plant();
  let failed = 0;
  for (let seed = figures.nextSeed; seed < last && performance.now() < endMs; seed++) {
    const outcome = await new World({ ...options, seed }).run();
    add(figures, outcome);
    if (values.figures !== undefined && (outcome.broken || seed % 50 === 0)) saveFigures(values.figures, figures);
    if (!outcome.broken) continue;
    if (plant) {
      print(
        `planted ${plant.name} (${plant.what}), found after ${figures.seeds} seeds: ${describe(outcome).slice(0, 300)}`,
      );
      return 0;
    }
    failed++;
    await replay(outcome, options);
    if (values.figures === undefined) break;
  }
  if (values.figures !== undefined) saveFigures(values.figures, figures);
  if (values.shapes !== undefined) writeFileSync(values.shapes, JSON.stringify([...shapes.examples.values()]));
  const seconds = (performance.now() - startedMs) / 1000;
  const { seeds, virtualHours, events, requests, nodesUsed, broken } = figures;
  print(
    `${seeds} seeds, ${virtualHours.toFixed(1)} virtual hours, ${events} events, ${requests} requests, ${nodesUsed} nodes used, ` +
      `${broken.length} broken promises, ${shapes.examples.size} shapes of documents; ${seconds.toFixed(0)} s`,
  );
  if (!plant) return failed === 0 ? 0 : 1;
  print(`planted ${plant.name} (${plant.what}) was NOT found in ${seeds} seeds`);
  return 1;
}

async function trace(path: string): Promise<number> {
  const file = openSync(path, 'w');
  const outcome = await new World({
    seed: Number(values.from),
    traced: true,
    onLine: (line) => writeSync(file, `${line}\n`),
  }).run();
  closeSync(file);
  print(
    outcome.broken ? describe(outcome) : `seed ${outcome.seed} (${outcome.theme}) breaks nothing; hash ${outcome.hash}`,
  );
  return outcome.broken ? 1 : 0;
}

/** A planted bug stays in its process. */
function everyPlant(): number {
  const missed = plants.filter(({ name }) => {
    const [node, script] = process.argv as [string, string];
    const args = [...process.execArgv, script, '--plant', name, '--seeds', values.seeds, '--from', values.from];
    return spawnSync(node, args, { stdio: 'inherit' }).status !== 0;
  });
  print(`${plants.length - missed.length} of ${plants.length} planted bugs found`);
  return missed.length === 0 ? 0 : 1;
}

if (values.trace !== undefined) process.exitCode = await trace(values.trace);
else if (values.plant === 'all') process.exitCode = everyPlant();
else process.exitCode = await runSeeds(values.plant === undefined ? null : plantNamed(values.plant));
// A planted bug may have left something that would go on for ever.
process.exit();
