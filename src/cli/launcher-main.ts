/** Entry of the `nodepool-launcher` command, with the Python program's options. It leaves the foreground unless told to stay. */
import { inspect } from 'node:util';
import { Command, Option } from 'commander';
import type { LauncherProcessOptions } from '../program/daemon/launcher-process.ts';
import { absolute, detach, detachedOption, tellStarter } from '../program/daemon/detach.ts';
import { logFormatOption, logLevelOption } from '../program/logging/options.ts';
import { run, statusOf } from './run.ts';
import { UserError, usageStatus } from '../base/user-error.ts';
import { version } from '../program/version.ts';

const name = 'nodepool-launcher';

interface Options extends LauncherProcessOptions {
  readonly pidfile: string;
  readonly foreground?: boolean;
  readonly detached?: boolean;
  readonly repl?: boolean;
}

const program = new Command(name)
  .description('Launches and deletes nodes')
  .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
  .option('-s, --secure <file>', 'secure file')
  .option('-l, --logconfig <file>', 'logging configuration, as the Python programs take it')
  .addOption(logFormatOption())
  .addOption(logLevelOption())
  .option(
    '-p, --pidfile <file>',
    'file for the id of the process, where it leaves the foreground',
    '/var/run/nodepool/nodepool.pid',
  )
  .option('-d, --debug', 'stay in the foreground and log everything')
  .option('-f, --foreground', 'stay in the foreground')
  .option('--no-webapp', 'no status server')
  .addOption(new Option('--repl').hideHelp())
  .addOption(new Option(detachedOption, 'what starts without a terminal').hideHelp())
  .version(`Nodepool version: ${version}`, '--version', 'print the version')
  .exitOverride();

async function main(): Promise<number> {
  program.parse();
  const options = program.opts<Options>();
  if (options.repl) {
    const hint =
      '`kill -USR2` logs the state of the process, `nodepool doctor` and `nodepool explain` say what is wrong';
    throw new UserError(`--repl: there is no console in the process; ${hint}`, usageStatus);
  }
  if (!options.detached && !options.foreground && !options.debug) return detach(argumentsOf(options), name);
  const { launcher } = await import('../program/daemon/launcher-process.ts');
  const background = { pidFile: options.pidfile, onRunning: () => tellStarter({ kind: 'runs' }) };
  await launcher(options.detached ? { ...options, background } : options);
  return 0;
}

/** The options for the detached process, with absolute paths, because its working directory is another one. */
function argumentsOf(options: Options): string[] {
  const path = (option: string, file: string | undefined) => (file === undefined ? [] : [option, absolute(file)]);
  return [
    ...path('--config', options.config),
    ...path('--secure', options.secure),
    ...path('--logconfig', options.logconfig),
    ...path('--pidfile', options.pidfile),
    ...(options.logFormat === undefined ? [] : ['--log-format', options.logFormat]),
    ...(options.logLevel ?? []).flatMap((level) => ['--log-level', level]),
    ...(options.webapp === false ? ['--no-webapp'] : []),
  ];
}

if (process.argv.includes(detachedOption)) {
  const said: unknown[] = [];
  const status = await statusOf(name, main, (text) => said.push(text));
  const text = said.map((one) => (typeof one === 'string' ? one : inspect(one))).join('\n');
  await tellStarter({ kind: 'failed', text, status });
  process.exit(status);
}
await run(name, main);
