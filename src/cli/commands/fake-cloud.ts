/** Runs a cloud that only pretends, for trials and tests. */
import type { CommandDeclaration } from './declaration.ts';
import { port } from './option-values.ts';

export const fakeCloudCommand: CommandDeclaration = {
  name: 'fake-cloud',
  description: 'run a fake cloud as a process of its own, on loopback',
  examples: ['nodepool fake-cloud --port 9999'],
  declare: (command) =>
    command
      .option('--port <port>', 'port; 0 for any free one', port, 0)
      .action(async (options: { port: number }) => (await import('../actions/fake-cloud.ts')).fakeCloud(options.port)),
};
