/** The `nodepool` command: options and what they lead to; a command's code is loaded when it is called. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { completionScript, type Shell, shells } from './commands/completion.ts';
import type { RequestOptions } from './commands/request.ts';
import type { GlobalOptions } from '../program/context.ts';
import { examples } from './examples.ts';
import { addImageCommands } from './image-commands.ts';
import { logFormatOption, logLevelOption } from '../program/logging/options.ts';
import { formatOption } from './format-option.ts';
import type { OutputFormat } from '../listings/format.ts';
import { statusOf } from './run.ts';
import { addTreeCommands } from './tree-commands.ts';
import { version } from '../program/version.ts';

/** Runs the command line (without program names) and returns the status. Options of the program come before the command. */
export function nodepool(argv: readonly string[]): Promise<number> {
  return statusOf('nodepool', async () => {
    const result = { status: 0 };
    const program = build(result);
    const { operands, unknown } = program.parseOptions([...argv]);
    if (operands.length === 0 && unknown.length === 0) {
      console.log(program.helpInformation().trimEnd());
      return 1;
    }
    await program.parseAsync([...argv], { from: 'user' });
    return result.status;
  });
}

/** The program and its commands; `result` gets the status of what is run. */
export function build(result: { status: number }): Command {
  const program = new Command('nodepool')
    .description('Launches, keeps and hands out single-use test nodes')
    .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
    .option('-s, --secure <file>', 'secure file')
    .option('-l, --logconfig <file>', 'logging configuration, as the Python programs take it')
    .option('--debug', 'log everything')
    .addOption(logFormatOption())
    .addOption(logLevelOption())
    .option('--connect-timeout <seconds>', 'how long a command tries to reach ZooKeeper (default: 30)', positiveSeconds)
    .version(`Nodepool version: ${version}`, '--version', 'print the version')
    .enablePositionalOptions()
    .exitOverride();
  const globals = () => program.opts<GlobalOptions>();
  addDaemons(program, globals);
  addTreeCommands(program, globals, result);
  addListings(program, globals);
  addImageCommands(program, globals);
  addNodeCommands(program, globals, result);
  addConfigCommands(program, globals, result);
  addCompletion(program);
  for (const command of program.commands) {
    const lines = (examples[command.name()] ?? []).map((example) => `  ${example}`);
    command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'));
  }
  return program;
}

const collect = (value: string, all: string[]) => [...all, value];

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) throw new InvalidArgumentError('a port is a number up to 65535.');
  return value;
}

function positiveSeconds(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('it takes a number of seconds.');
  return value;
}

function positiveMinutes(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('it takes a number of minutes.');
  return value;
}

function priority(text: string): string {
  if (!/^\d{3}$/.test(text)) throw new InvalidArgumentError('it takes three digits, such as 100, 200 or 300.');
  return text;
}

const noWebapp = () => new Option('--no-webapp', 'no status pages and metrics over HTTP');

function addDaemons(program: Command, globals: () => GlobalOptions): void {
  program
    .command('up')
    .description(
      'run everything in one process, with the embedded coordinator where no zookeeper-servers are configured',
    )
    .addOption(noWebapp())
    .action(async (o: { webapp: boolean }) => (await import('../program/daemon/daemon.ts')).up({ ...globals(), ...o }));
  program
    .command('launcher')
    .description('run a launcher against the configured ZooKeeper or the running coordinator')
    .addOption(noWebapp())
    .action(async (o: { webapp: boolean }) =>
      (await import('../program/daemon/daemon.ts')).launcher({ ...globals(), ...o }),
    );
  program
    .command('coordinator')
    .description('run the embedded coordinator alone')
    .action(async () => (await import('../program/daemon/daemon.ts')).coordinator(globals()));
  program
    .command('coordinator-certs <directory>')
    .description('make a small CA, a server and a client certificate for the coordinator')
    .option('--host <name>', 'further name or address of the server; repeat for several', collect, [])
    .action(async (directory: string, o: { host: string[] }) => {
      const { makeCertificates } = await import('@nodepool/zookeeper/certificates');
      await makeCertificates(directory, o.host);
      console.log(`made ca.pem, server.pem, server.key, client.pem, client.key in ${directory}`);
    });
  program
    .command('fake-cloud')
    .description('run a fake cloud as a process of its own, on loopback')
    .option('--port <port>', 'port; 0 for any free one', port, 0)
    .action(async (o: { port: number }) => (await import('./commands/fake-cloud.ts')).fakeCloud(o.port));
}

function addListings(program: Command, globals: () => GlobalOptions): void {
  const listings = () => import('./commands/listings.ts');
  program
    .command('list')
    .description('list nodes')
    .option('--detail', 'more columns')
    .addOption(formatOption())
    .action(async (o: { detail?: boolean; format: OutputFormat }) =>
      (await listings()).list(globals(), o.detail ?? false, o.format),
    );
  program
    .command('request-list')
    .description('list node requests')
    .addOption(formatOption())
    .action(async (o: { format: OutputFormat }) => (await listings()).requestList(globals(), o.format));
  program
    .command('launcher-list')
    .description('list the pools of all running launchers')
    .addOption(formatOption())
    .action(async (o: { format: OutputFormat }) => (await listings()).launcherList(globals(), o.format));
  program
    .command('info <provider>')
    .description("show a provider's images and nodes")
    .addOption(formatOption())
    .action(async (provider: string, o: { format: OutputFormat }) =>
      (await listings()).info(globals(), provider, o.format),
    );
  program
    .command('watch')
    .description('show requests and nodes live')
    .action(async () => (await import('./commands/watch.ts')).watch(globals()));
}

function addNodeCommands(program: Command, globals: () => GlobalOptions, result: { status: number }): void {
  program
    .command('delete <id>')
    .description('have a node deleted by its launcher')
    .option('--now', 'delete it here and now, without a launcher')
    .addOption(formatOption())
    .action(async (id: string, o: { now?: boolean; format: OutputFormat }) => {
      if (o.now) await (await import('./commands/delete-now.ts')).deleteNow(globals(), id, o.format);
      else await (await import('./commands/change-node.ts')).changeNode(globals(), id, 'deleting', o.format);
    });
  program
    .command('hold <id>')
    .description('keep a node for a person')
    .addOption(formatOption())
    .action(async (id: string, o: { format: OutputFormat }) =>
      (await import('./commands/change-node.ts')).changeNode(globals(), id, 'hold', o.format),
    );
  program
    .command('erase <provider>')
    .description('forget all nodes and uploads of a provider; what is in its cloud stays there')
    .option('--force', 'do not ask')
    .action(async (provider: string, o: { force?: boolean }) =>
      (await import('./commands/erase.ts')).erase(globals(), provider, o.force ?? false),
    );
  program
    .command('explain <id>')
    .description('say why a request waits or a node is as it is')
    .addOption(formatOption())
    .action(async (id: string, o: { format: OutputFormat }) =>
      (await import('./commands/explain.ts')).explain(globals(), id, o.format),
    );
  program
    .command('doctor')
    .description('say what is stuck, since when, why, and what to do; status 1 when something is')
    .option('--older-than <minutes>', 'what has waited for less is left out', positiveMinutes, 5)
    .addOption(formatOption())
    .action(async (o: { olderThan: number; format: OutputFormat }) => {
      const { doctor } = await import('./commands/doctor.ts');
      result.status = await doctor(globals(), { format: o.format, patienceMs: o.olderThan * 60_000 });
    });
  program
    .command('request')
    .description('take nodes as a CI system would, hold them, give them back')
    .requiredOption('-l, --label <label>', 'label of a node; repeat for several', (value, all: string[] | undefined) =>
      collect(value, all ?? []),
    )
    .option('--wait', 'wait for the nodes and hold them until interrupted or the end of the input')
    .option('--exec <command>', 'run a shell command with the nodes in its environment, then give them back')
    .option('--priority <digits>', '100 high, 200 normal, 300 low', priority, '200')
    .option('--provider <name>', 'the only provider to take them from')
    .option('--no-reuse', 'launch new nodes even if there are some in stock')
    .option('--timeout <seconds>', 'give up waiting for the nodes after this time', positiveSeconds)
    .addOption(formatOption())
    .action(async (o: RequestOptions) => {
      result.status = await (await import('./commands/request.ts')).request(globals(), o);
    });
}

function addConfigCommands(program: Command, globals: () => GlobalOptions, result: { status: number }): void {
  program
    .command('config-validate')
    .description('check the configuration, and the secure file where one is given')
    .option('--strict', 'fail also for warnings and for what only the daemons refuse')
    .action(async (o: { strict?: boolean }) => {
      result.status = (await import('./commands/config.ts')).configValidate(globals(), o.strict ?? false);
    });
  program
    .command('config-diff <file>')
    .description(
      'show what a reload would change if <file> were the configuration; status 1 when there is a difference',
    )
    .addOption(formatOption())
    .action(async (file: string, o: { format: OutputFormat }) => {
      result.status = await (await import('./commands/config.ts')).configDiff(globals(), file, o.format);
    });
  program
    .command('config-schema')
    .description('print the JSON Schema of the configuration, for editors')
    .action(async () => (await import('./commands/config.ts')).configSchema());
}

function addCompletion(program: Command): void {
  program
    .command('completion')
    .description(
      'print a script that completes commands and options; bash: source it, zsh: save it in $fpath as _nodepool',
    )
    .addArgument(new Argument('<shell>', 'which one runs it').choices(shells))
    .action((shell: Shell) => console.log(completionScript(program, shell)));
}
