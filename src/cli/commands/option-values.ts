/** Options that several commands have, and what the values of options may be. */
import { InvalidArgumentError, Option } from 'commander';
import { pathProblem } from '@nodepool/zookeeper';
import { type OutputFormat, outputFormats } from '../../listings/format.ts';

export interface Formatted {
  readonly format: OutputFormat;
}

/** The option of every command that prints more than a line. */
export const formatOption = () =>
  new Option('--format <format>', 'for people or for programs').choices(outputFormats).default('table');

export const noWebappOption = () => new Option('--no-webapp', 'no status pages and metrics over HTTP');

/** For options that may be repeated. */
export const collected = (value: string, all: string[]): string[] => [...all, value];

export function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) throw new InvalidArgumentError('a port is a number up to 65535.');
  return value;
}

export const positiveSeconds = (text: string): number => positive(text, 'seconds');

export const positiveMinutes = (text: string): number => positive(text, 'minutes');

function positive(text: string, unit: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError(`it takes a number of ${unit}.`);
  return value;
}

export function priority(text: string): string {
  if (!/^\d{3}$/.test(text)) throw new InvalidArgumentError('it takes three digits, such as 100, 200 or 300.');
  return text;
}

export function znodePath(text: string): string {
  const problem = pathProblem(text);
  if (problem !== null) throw new InvalidArgumentError(`${problem}.`);
  return text;
}
