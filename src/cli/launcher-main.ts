/** The `nodepool-launcher` command, with the Python program's options. It stays in the foreground. */
import { Command } from 'commander';
import type { GlobalOptions } from './context.ts';
import { run } from './run.ts';

const program = new Command('nodepool-launcher')
  .description('Launches and deletes nodes')
  .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
  .option('-s, --secure <file>', 'secure file')
  .option('-l, --logconfig <file>', 'logging configuration')
  .option('-p, --pidfile <file>', 'pid file')
  .option('-d, --debug', 'foreground, log everything')
  .option('-f, --foreground', 'foreground')
  .option('--no-webapp', 'no status server')
  .option('--version', 'print the version')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
program.parse();

await run(async () => {
  const o = program.opts<GlobalOptions & { version?: boolean }>();
  if (o.version) {
    console.log(`Nodepool version: ${(await import('./daemon.ts')).version}`);
    return 0;
  }
  await (await import('./launcher.ts')).launcher(o);
  return 0;
});
