/** The option of every command that prints more than a line. */
import { Option } from 'commander';
import { outputFormats } from '../listings/format.ts';

export const formatOption = () =>
  new Option('--format <format>', 'for people or for programs').choices(outputFormats).default('table');
