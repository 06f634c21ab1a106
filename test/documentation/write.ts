/** Writes the pages of the documentation that are made from the source. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withRoomsTable } from '../house/rooms.ts';
import { commandsReference } from './commands-reference.ts';
import { configurationReference } from './configuration-reference.ts';
import { errorsReference } from './errors-reference.ts';

const directory = fileURLToPath(new URL('../../docs/reference/configuration/', import.meta.url));

mkdirSync(directory, { recursive: true });
const pages = configurationReference();
for (const name of readdirSync(directory)) if (!pages.has(name)) rmSync(`${directory}${name}`);
for (const [name, text] of pages) writeFileSync(`${directory}${name}`, text);
writeFileSync(fileURLToPath(new URL('../../docs/reference/commands.md', import.meta.url)), commandsReference());
writeFileSync(fileURLToPath(new URL('../../docs/reference/errors.md', import.meta.url)), errorsReference());

const architecture = fileURLToPath(new URL('../../docs/architecture.md', import.meta.url));
writeFileSync(architecture, withRoomsTable(readFileSync(architecture, 'utf8')));
