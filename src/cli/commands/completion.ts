/** Prints a script that completes commands for a shell. */
import { Argument } from 'commander';
import { completionScript, type Shell, shells } from '../actions/completion.ts';
import type { CommandDeclaration } from './declaration.ts';

export const completionCommand: CommandDeclaration = {
  name: 'completion',
  description:
    'print a script that completes commands and options; bash: source it, zsh: save it in $fpath as _nodepool',
  examples: ['nodepool completion bash', 'nodepool completion zsh'],
  declare: (command) =>
    command
      .addArgument(new Argument('<shell>', 'which one runs it').choices(shells))
      .action((shell: Shell) => console.log(completionScript(command.parent!, shell))),
};
