/**
 * A coordinator in a process of its own, for tests that kill it. Usage: serve.ts JSON, with the data directory, the port and
 * the limits; a second word plants a bug, for tests of tests. Prints its address as one line of JSON; ends in order on SIGTERM.
 */
import { systemRuntime } from '../../runtime/runtime.ts';
import { type CoordinatorOptions, startCoordinator } from '../coordinator.ts';
import { Engine } from '../tree/engine.ts';
import { loggerTo } from '../../testing/logger-to.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as Omit<CoordinatorOptions, 'runtime' | 'log'>;
if (process.argv[3] === 'early-answers') {
  // Nothing waits for the disk.
  Object.defineProperty(Engine.prototype, 'durableZxid', {
    get(this: Engine) {
      return this.database.zxid;
    },
  });
}
try {
  const coordinator = await startCoordinator({
    ...options,
    runtime: systemRuntime,
    log: loggerTo((message, fields, level) => process.stderr.write(`${level} ${message} ${JSON.stringify(fields)}\n`)),
  });
  process.stdout.write(`${JSON.stringify(coordinator.address)}\n`);
  process.once('SIGTERM', () => void coordinator.close().then(() => process.exit(0)));
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
}
