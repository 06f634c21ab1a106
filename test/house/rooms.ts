/** The table of rooms (rooms.cjs) as docs/architecture.md shows it. */
import { createRequire } from 'node:module';

interface Room {
  readonly knows: string;
  readonly may: readonly string[];
  readonly planned?: true;
}

const table = createRequire(import.meta.url)('../../rooms.cjs') as {
  rooms: Record<string, Room>;
  folderOf: (room: string) => string;
};
export const { rooms, folderOf } = table;

const begin = '<!-- rooms: made from rooms.cjs by `npm run docs:reference` -->';
const end = '<!-- end of rooms -->';

/** `page` with the table of today between its two marks. */
export function withRoomsTable(page: string): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`The page lacks ${begin} or ${end}`);
  return `${before}${begin}\n${roomsTable()}\n${end}${after}`;
}

function roomsTable(): string {
  const rows = Object.entries(rooms).map(([name, { knows, may, planned }]) => {
    const sub = name.includes('/');
    const shown = `${sub ? '… ' : ''}\`${sub ? name.slice(name.indexOf('/') + 1) : name}\`${planned ? ' (to come)' : ''}`;
    const imports = sub ? may.map((room) => room.slice(room.indexOf('/') + 1)) : may;
    return `| ${shown} | ${knows} | ${imports.join(', ') || '–'} |`;
  });
  return ['| room | what it knows | may import, besides `base` |', '|---|---|---|', ...rows].join('\n');
}
