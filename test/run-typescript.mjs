// Lets Node.js run the TypeScript of this repository as it is: node --import ./test/run-typescript.mjs FILE.ts
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
