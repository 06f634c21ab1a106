/** Tables as the Python commands draw them, and the same rows as JSON. */
export type Cell = string | number | boolean | null | readonly string[];

export interface Column<T> {
  readonly key: string;
  readonly header: string;
  readonly cell: (row: T) => Cell;
}

export type Format = 'table' | 'json';

export function render<T>(columns: readonly Column<T>[], rows: readonly T[], format: Format): string {
  if (format === 'json') {
    return JSON.stringify(
      rows.map((row) => Object.fromEntries(columns.map((column) => [column.key, column.cell(row)]))),
      null,
      2,
    );
  }
  const cells = rows.map((row) => columns.map((column) => cellText(column.cell(row))));
  const widths = columns.map((column, index) =>
    cells.reduce((widest, line) => Math.max(widest, line[index]!.length), column.header.length),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (texts: readonly string[]) =>
    `|${texts.map((text, index) => ` ${text.padEnd(widths[index]!)} `).join('|')}|`;
  const body = cells.map(line);
  return [rule, line(columns.map((column) => column.header)), rule, ...(body.length > 0 ? [...body, rule] : [])].join(
    '\n',
  );
}

function cellText(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'boolean') return cell ? 'True' : 'False';
  const text = typeof cell === 'object' ? cell.join(',') : String(cell);
  // Anybody may have written it to ZooKeeper: it must not draw lines of its own or steer the terminal.
  return text.replace(/\p{Cc}/gu, ' ');
}

/** `DD:HH:MM:SS` */
export function age(seconds: number, nowMs: number): string {
  const total = Math.max(0, Math.floor(nowMs / 1000 - seconds));
  const parts = [Math.floor(total / 86_400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}
