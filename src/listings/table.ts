/** Tables as the Python commands and status pages draw them, and the same rows as JSON. */
import { pythonText } from './python-text.ts';

/** What a document holds there, whatever it is: JSON gives it as it is, a table as text. */
export type Cell = unknown;

export interface Column<T> {
  readonly key: string;
  readonly header: string;
  readonly cell: (row: T) => Cell;
  /** Where the table shows it differently. */
  readonly shown?: (row: T) => Cell;
}

export type Format = 'table' | 'json';

export function render<T>(columns: readonly Column<T>[], rows: readonly T[], format: Format): string {
  return format === 'json'
    ? JSON.stringify(
        rows.map((row) => objectOf(columns, row)),
        null,
        2,
      )
    : renderTable(
        columns,
        rows.map((row) => textsOf(columns, row)),
      );
}

export function objectOf<T>(columns: readonly Column<T>[], row: T): Record<string, Cell> {
  return Object.fromEntries(columns.map((column) => [column.key, column.cell(row)]));
}

export function textsOf<T>(columns: readonly Column<T>[], row: T): string[] {
  return columns.map((column) => cellText((column.shown ?? column.cell)(row)));
}

/** `lines`: what `textsOf` has given for each row. */
export function renderTable(
  columns: readonly Pick<Column<never>, 'header'>[],
  lines: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ header }, index) =>
    lines.reduce((widest, line) => Math.max(widest, line[index]!.length), header.length),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (texts: readonly string[]) =>
    `|${texts.map((text, index) => ` ${text.padEnd(widths[index]!)} `).join('|')}|`;
  const body = lines.map(line);
  return [rule, line(columns.map((column) => column.header)), rule, ...body, rule].join('\n');
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  const text = Array.isArray(cell) ? cell.map(pythonText).join(',') : pythonText(cell);
  // Anybody may have written it to ZooKeeper: it must not draw lines of its own or steer the terminal.
  return text.replace(/\p{Cc}/gu, ' ');
}

/** `DD:HH:MM:SS` */
export function age(seconds: number, nowMs: number): string {
  const total = Math.max(0, Math.floor(nowMs / 1000 - seconds));
  const parts = [Math.floor(total / 86_400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}
