/** Makes a tree hold what a file or another tree holds. */
import type { ImportOptions } from '../actions/coordinator-import.ts';
import type { CommandDeclaration } from './declaration.ts';
import { formatOption, znodePath } from './option-values.ts';

export const coordinatorImportCommand: CommandDeclaration = {
  name: 'coordinator-import',
  description: "put what a file or another ZooKeeper holds into the configuration's ZooKeeper",
  examples: [
    'nodepool -c ensemble.yaml coordinator-import --dry-run /var/backups/nodepool-tree.jsonl',
    'nodepool -c ensemble.yaml coordinator-import /var/backups/nodepool-tree.jsonl',
    'nodepool -c ensemble.yaml coordinator-import --compare /var/backups/nodepool-tree.jsonl',
    'nodepool -c ensemble.yaml coordinator-import --from-config embedded.yaml',
  ],
  declare: (command, { globals, exitWith }) =>
    command
      .argument('[file]')
      .option('--from-config <file>', 'copy from the ZooKeeper of that configuration, instead of a file')
      .option('--from-secure <file>', 'its secure file')
      .option('--root <path>', 'only this subtree', znodePath)
      .option('--dry-run', 'say what would be done; status 1 when it would be refused')
      .option('--compare', 'say what differs; status 1 when something does')
      .option('--merge', 'into a tree that holds other documents: keep what only it has, replace what differs')
      .option('--allow-running', 'although launchers, builders or Zuul are registered')
      .addOption(formatOption())
      .action(async (file: string | undefined, options: ImportOptions) => {
        const { coordinatorImport } = await import('../actions/coordinator-import.ts');
        exitWith(await coordinatorImport(globals(), file, options));
      }),
};
