/** Usage: node --import ./test/run-typescript.mjs test/simulation/run.ts --seeds N --from S */
import { createWriteStream } from 'node:fs';
import { World } from './world.ts';
const args = new Map<string, string>();
for (let i = 2; i < process.argv.length; i += 2) args.set(process.argv[i]!, process.argv[i + 1] ?? '');
const from = Number(args.get('--from') ?? 1);
const count = Number(args.get('--seeds') ?? 10);
const traced = args.has('--trace');
const lines: string[] = [];
for (let seed = from; seed < from + count; seed++) {
  const started = performance.now();
  const outcome = await new World({ seed, traced, onLine: (line) => lines.push(line) }).run();
  const rest = { ...outcome, trace: undefined };
  console.log(JSON.stringify(rest), Math.round(performance.now() - started));
}
if (traced) createWriteStream(args.get('--trace')!).end(lines.join('\n'));
