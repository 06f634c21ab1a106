/** The `nodepool` command: options and what they lead to; each command's work is loaded when it is called. */
import { Command, Option } from 'commander';
import type { NodeState } from '../records/node.ts';
import type { RequestOptions } from './commands/request.ts';
import type { GlobalOptions } from './context.ts';
import type { Format } from './output/table.ts';
import { run } from './run.ts';

const program = new Command('nodepool');
let status = 0;

const format = () =>
  new Option('--format <format>', 'for people or for programs').choices(['table', 'json']).default('table');
const globals = () => program.opts<GlobalOptions>();
const collect = (value: string, all: string[]) => [...all, value];

program
  .description('Launches, keeps and hands out single-use test nodes')
  .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
  .option('-s, --secure <file>', 'secure file')
  .option('-l, --logconfig <file>', 'logging configuration')
  .option('--debug', 'log everything')
  .addOption(new Option('--log-format <format>', 'of log lines').choices(['human', 'json']).default('human'))
  .option('--version', 'print the version')
  .enablePositionalOptions()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program.on('option:version', () => {
  void import('./daemon.ts').then(({ version }) => {
    console.log(`Nodepool version: ${version}`);
    process.exit(0);
  });
});

program
  .command('up')
  .description('run everything in one process, with the embedded coordinator where no zookeeper-servers are configured')
  .action(async () => {
    const [{ daemonLog, load }, { openCoordinator, runLauncher }] = await Promise.all([
      import('./context.ts'),
      import('./daemon.ts'),
    ]);
    const log = daemonLog(globals());
    const config = load(globals(), log);
    const coordinator = config.zookeeper.servers.length === 0 ? await openCoordinator(config, log) : null;
    if (coordinator)
      log.info({ dataDir: config.coordinator.dataDir, ...coordinator.address }, 'The embedded coordinator listens');
    await runLauncher(config, log, coordinator);
    await coordinator?.close();
  });

program
  .command('launcher')
  .description('run a launcher against the configured ZooKeeper or the running coordinator')
  .action(async () => {
    const { launcher } = await import('./launcher.ts');
    await launcher(globals());
  });

program
  .command('coordinator')
  .description('run the embedded coordinator alone')
  .action(async () => {
    const [{ daemonLog, load }, { openCoordinator, untilSignal }] = await Promise.all([
      import('./context.ts'),
      import('./daemon.ts'),
    ]);
    const log = daemonLog(globals());
    const coordinator = await openCoordinator(load(globals(), log), log);
    log.info({ ...coordinator.address }, 'The embedded coordinator listens');
    await untilSignal();
    await coordinator.close();
  });

program
  .command('coordinator-certs <directory>')
  .description('make a small CA, a server and a client certificate for the coordinator')
  .option('--host <name>', 'further name or address of the server', collect, [])
  .action(async (directory: string, o: { host: string[] }) => {
    const { makeCertificates } = await import('../zookeeper/server/certificates.ts');
    await makeCertificates(directory, o.host);
    console.log(`made ca.pem, server.pem, server.key, client.pem, client.key in ${directory}`);
  });

program
  .command('fake-cloud')
  .description('run a fake cloud as a process of its own, on loopback')
  .requiredOption('--port <port>', 'port; 0 for any free one')
  .action(async (o: { port: string }) => {
    const [{ startFakeCloudServer }, { systemRuntime }, { untilSignal }] = await Promise.all([
      import('../drivers/fake/fake-cloud-server.ts'),
      import('../runtime.ts'),
      import('./daemon.ts'),
    ]);
    const server = await startFakeCloudServer({ port: Number(o.port), runtime: systemRuntime });
    console.log(`http://127.0.0.1:${server.port}`);
    await untilSignal();
    await server.close();
  });

program
  .command('list')
  .description('list nodes')
  .option('--detail', 'more columns')
  .addOption(format())
  .action(async (o: { detail?: boolean; format: Format }) =>
    (await import('./commands/listings.ts')).list(globals(), o.detail ?? false, o.format),
  );

program
  .command('request-list')
  .description('list node requests')
  .addOption(format())
  .action(async (o: { format: Format }) => (await import('./commands/listings.ts')).requestList(globals(), o.format));

program
  .command('launcher-list')
  .description('list the pools of all running launchers')
  .addOption(format())
  .action(async (o: { format: Format }) => (await import('./commands/listings.ts')).launcherList(globals(), o.format));

program
  .command('info <provider>')
  .description("show a provider's images and nodes")
  .addOption(format())
  .action(async (provider: string, o: { format: Format }) =>
    (await import('./commands/listings.ts')).info(globals(), provider, o.format),
  );

const change = (name: string, state: Extract<NodeState, 'hold' | 'deleting'>, description: string) =>
  program
    .command(`${name} <id>`)
    .description(description)
    .addOption(format())
    .action(async (id: string, o: { format: Format }) =>
      (await import('./commands/change-node.ts')).changeNode(globals(), id, state, o.format),
    );
change('delete', 'deleting', 'have a node deleted by its launcher');
change('hold', 'hold', 'keep a node for a person');

program
  .command('explain <id>')
  .description('say why a request waits or a node is as it is')
  .addOption(format())
  .action(async (id: string, o: { format: Format }) =>
    (await import('./commands/explain.ts')).explain(globals(), id, o.format),
  );

program
  .command('request')
  .description('take nodes as a CI system would, hold them, give them back')
  .requiredOption('-l, --label <label>', 'label of a node; repeat for several', collect, [])
  .option('--wait', 'wait for the nodes and hold them until interrupted')
  .option('--exec <command>', 'run a shell command with the nodes in its environment, then give them back')
  .option('--priority <digits>', '100 high, 200 normal, 300 low', '200')
  .option('--provider <name>', 'preferred provider')
  .option('--no-reuse', 'launch new nodes even if there are some in stock')
  .option('--timeout <seconds>', 'give up after')
  .addOption(format())
  .action(async (o: RequestOptions) => {
    status = await (await import('./commands/request.ts')).request(globals(), o);
  });

program
  .command('watch')
  .description('show requests and nodes live')
  .action(async () => (await import('./commands/watch.ts')).watch(globals()));

program
  .command('config-validate')
  .description('check the configuration')
  .action(async () => {
    status = (await import('./commands/config.ts')).configValidate(globals());
  });

program
  .command('config-schema')
  .description('print the JSON Schema of the configuration, for editors')
  .action(async () => (await import('./commands/config.ts')).configSchema());

if (process.argv.length <= 2) {
  console.log(program.helpInformation());
  process.exit(1);
}
await run(async () => {
  await program.parseAsync();
  return status;
});
