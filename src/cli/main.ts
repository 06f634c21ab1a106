/** Entry of the `nodepool` command. */
import { nodepool } from './program.ts';
import { run } from './run.ts';

await run('nodepool', () => nodepool(process.argv.slice(2)));
