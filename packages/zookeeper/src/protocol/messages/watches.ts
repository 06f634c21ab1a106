/**
 * The messages about watches: AddWatchRequest, CheckWatchesRequest, RemoveWatchesRequest, SetWatches and SetWatches2 of
 * zookeeper.jute. The last two set watches again on a new connection; SetWatches2 knows the persistent ones too.
 */
import { opCode } from '../constants.ts';
import type { JuteReader, JuteWriter } from '../jute.ts';
import { readNames, writeNames } from './get-children.ts';
import { type Message, noResponse } from './message.ts';

export interface AddWatchRequest {
  readonly path: string;
  /** One of `addWatchMode`. */
  readonly mode: number;
}

export const addWatchMessage: Message<AddWatchRequest, void> = {
  op: opCode.addWatch,
  repeatable: true,
  writeRequest: (w, { path, mode }) => void w.string(path).int(mode),
  readRequest: (r) => ({ path: r.string(), mode: r.int() }),
  // ErrorResponse, which says again what the header has said.
  writeResponse: (w) => void w.int(0),
  readResponse: () => undefined,
};

export interface WatcherRequest {
  readonly path: string;
  /** One of `watcherType`. */
  readonly watcher: number;
}

const watcherRequest = {
  writeRequest: (w: JuteWriter, { path, watcher }: WatcherRequest): void => void w.string(path).int(watcher),
  readRequest: (r: JuteReader): WatcherRequest => ({ path: r.string(), watcher: r.int() }),
};

export const checkWatchesMessage: Message<WatcherRequest, void> = {
  op: opCode.checkWatches,
  repeatable: true,
  ...watcherRequest,
  ...noResponse,
};

export const removeWatchesMessage: Message<WatcherRequest, void> = {
  op: opCode.removeWatches,
  repeatable: true,
  ...watcherRequest,
  ...noResponse,
};

/** Paths by the kind of their watches. */
export interface SetWatchesRequest {
  /** What the client has seen: the server tells at once what has changed since. */
  readonly lastZxid: bigint;
  readonly data: readonly string[];
  readonly exists: readonly string[];
  readonly children: readonly string[];
  readonly persistent: readonly string[];
  readonly persistentRecursive: readonly string[];
}

const rearms = { repeatable: true, sizeOf, ...noResponse };

export const setWatchesMessage: Message<SetWatchesRequest, void> = {
  op: opCode.setWatches,
  ...rearms,
  writeRequest: writeOneShot,
  readRequest: (r) => ({ ...readOneShot(r), persistent: [], persistentRecursive: [] }),
};

export const setWatches2Message: Message<SetWatchesRequest, void> = {
  op: opCode.setWatches2,
  ...rearms,
  writeRequest: (w, request) => {
    writeOneShot(w, request);
    writeNames(w, request.persistent);
    writeNames(w, request.persistentRecursive);
  },
  readRequest: (r) => ({ ...readOneShot(r), persistent: readNames(r), persistentRecursive: readNames(r) }),
};

function writeOneShot(w: JuteWriter, { lastZxid, data, exists, children }: SetWatchesRequest): void {
  w.long(lastZxid);
  writeNames(w, data);
  writeNames(w, exists);
  writeNames(w, children);
}

function readOneShot(r: JuteReader) {
  return { lastZxid: r.long(), data: readNames(r), exists: readNames(r), children: readNames(r) };
}

function sizeOf({ data, exists, children, persistent, persistentRecursive }: SetWatchesRequest): number {
  const lists = [data, exists, children, persistent, persistentRecursive];
  return lists.reduce((sum, list) => list.reduce((bytes, path) => bytes + path.length + 4, sum), 64);
}
