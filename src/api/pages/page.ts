/** A page that lists something: its rows as they are now, as a table or as a JSON document. */
import type { PageFormat } from '../http/accept.ts';
import { pythonJson } from '../../listings/python-text.ts';
import { type Column, renderTable, textsOf } from '../../listings/table.ts';
import type { OwnErrorCode } from '../../base/error-codes.ts';

/** The URL parameters that pages know; an empty one counts as absent. */
export interface PageQuery {
  readonly nodeId: string | null;
  readonly fields: readonly string[] | null;
}

export interface Listing<T> {
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
}

export interface Page {
  readonly path: string;
  make(query: PageQuery, format: PageFormat): Promise<Buffer>;
}

export function page<T>(path: string, list: (query: PageQuery) => Listing<T> | Promise<Listing<T>>): Page {
  return {
    path,
    make: async (query, format) => {
      const listing = await list(query);
      return format === 'json' ? jsonOf(listing) : tableOf(listing, query.fields);
    },
  };
}

async function jsonOf<T>({ columns, rows }: Listing<T>): Promise<Buffer> {
  const heads = columns.map(({ key }, index) => `${index === 0 ? '' : ', '}${pythonJson(key)}: `);
  const objects = await inSlices(rows, (row) => {
    let text = '{';
    for (const [index, column] of columns.entries()) text += heads[index]! + pythonJson(column.cell(row));
    return `${text}}`;
  });
  return Buffer.from(`[${objects.join(', ')}]`);
}

/** `fields` are keys of columns; unknown keys are ignored. */
async function tableOf<T>({ columns, rows }: Listing<T>, fields: readonly string[] | null): Promise<Buffer> {
  const wanted = fields ? columns.filter(({ key }) => fields.includes(key)) : columns;
  return Buffer.from(renderTable(wanted, await inSlices(rows, (row) => textsOf(wanted, row))));
}

const rowsPerSlice = 200;

/** Thousands of rows take a while, so the event loop gets its turn between two slices. */
async function inSlices<T, R>(rows: readonly T[], write: (row: T) => R): Promise<R[]> {
  const written: R[] = [];
  for (let start = 0; start < rows.length; start += rowsPerSlice) {
    if (start > 0) await new Promise<void>((resolve) => void setImmediate(resolve));
    for (const row of rows.slice(start, start + rowsPerSlice)) written.push(write(row));
  }
  return written;
}

/** The rows of a page can't be read just now. */
export class PageUnavailable extends Error {
  readonly code = 'page-unavailable' satisfies OwnErrorCode;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'PageUnavailable';
  }
}
