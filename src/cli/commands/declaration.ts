/**
 * What a command says of itself. A declaration imports its action when the command is called, so that no command pays for
 * loading the code of the others.
 */
import type { Command } from 'commander';
import type { GlobalOptions } from '../../program/context.ts';

export interface CommandContext {
  /** The options of the program, once the command line is parsed. */
  readonly globals: () => GlobalOptions;
  /** Sets the status with which the program ends; 0 unless a command says otherwise. */
  readonly exitWith: (status: number) => void;
}

export interface CommandDeclaration {
  readonly name: string;
  readonly description: string;
  /** Whole command lines, shown by `--help` and in the reference. */
  readonly examples: readonly string[];
  /** Gives `command` its arguments, options and action. */
  readonly declare: (command: Command, context: CommandContext) => void;
}
