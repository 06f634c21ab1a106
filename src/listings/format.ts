/** How commands print: a table or words for people, JSON or YAML with the same keys for programs. */
import { stringify } from 'yaml';
import { type Column, objectOf, render } from './table.ts';

export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export function structured(value: unknown, format: Exclude<OutputFormat, 'table'>): string {
  return format === 'json' ? JSON.stringify(value, null, 2) : stringify(value).trimEnd();
}

export function rendered<T>(columns: readonly Column<T>[], rows: readonly T[], format: OutputFormat): string {
  if (format === 'table') return render(columns, rows, 'table');
  return structured(
    rows.map((row) => objectOf(columns, row)),
    format,
  );
}
