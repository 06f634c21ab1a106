/** The names of a znode's children, without its stat and with it: the records GetChildren… and GetChildren2… of zookeeper.jute. */
import { opCode } from '../constants.ts';
import type { JuteReader, JuteWriter } from '../jute.ts';
import { readStat, type Stat, writeStat } from '../records.ts';
import { type Message, type PathRequest, pathRequest, type WatchingRequest, watchingRequest } from './message.ts';

/** Names as the server keeps them. */
type NameSet = ReadonlySet<string>;

export const readNames = (r: JuteReader): string[] => r.vector((v) => v.string());

export function writeNames(w: JuteWriter, names: readonly string[]): void {
  w.vector(names, (v, name) => v.string(name));
}

function writeNameSet(w: JuteWriter, names: NameSet): void {
  w.int(names.size);
  for (const name of names) w.string(name);
}

export const getChildrenMessage: Message<WatchingRequest, string[], NameSet> = {
  op: opCode.getChildren,
  repeatable: true,
  ...watchingRequest,
  writeResponse: writeNameSet,
  readResponse: readNames,
};

export const getChildren2Message: Message<
  WatchingRequest,
  { readonly children: string[]; readonly stat: Stat },
  { readonly children: NameSet; readonly stat: Stat }
> = {
  op: opCode.getChildren2,
  repeatable: true,
  ...watchingRequest,
  writeResponse: (w, { children, stat }) => {
    writeNameSet(w, children);
    writeStat(w, stat);
  },
  readResponse: (r) => ({ children: readNames(r), stat: readStat(r) }),
};

/** How many znodes are below a path, at any depth. */
export const getAllChildrenNumberMessage: Message<PathRequest, number> = {
  op: opCode.getAllChildrenNumber,
  repeatable: true,
  ...pathRequest,
  writeResponse: (w, count) => void w.int(count),
  readResponse: (r) => r.int(),
};
