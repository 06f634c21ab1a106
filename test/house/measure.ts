/** npm run house [DIRECTORY]: the structure of a checkout (default: this one) in figures. */
import { fileURLToPath } from 'node:url';
import { structureOf } from './structure.ts';

const s = await structureOf(process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url)));
const list = (things: readonly string[]) => `${things.length}${things.length > 0 ? `: ${things.join('; ')}` : ''}`;
console.log(`rooms                           ${s.rooms}
arrows between them             ${s.arrows}
circles of folders              ${list(s.circles.map((circle) => circle.join(', ')))}
circles of rooms, with helpers  ${list(s.circlesWithHelpers.map((circle) => circle.join(', ')))}
arrows up, with helpers         ${list(s.arrowsUp)}
fullest folder (commands apart) ${s.fullest.folder} (${s.fullest.files})
files, lines, median            ${s.files}, ${s.lines}, ${s.medianLines}
files above 400 lines           ${list(s.above400)}`);
