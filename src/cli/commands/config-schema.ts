/** Prints the JSON Schema of the configuration. */
import type { CommandDeclaration } from './declaration.ts';

export const configSchemaCommand: CommandDeclaration = {
  name: 'config-schema',
  description: 'print the JSON Schema of the configuration, for editors',
  examples: ['nodepool config-schema'],
  declare: (command) => command.action(async () => (await import('../actions/config-schema.ts')).configSchema()),
};
