/** What a request is about, for faults that are aimed at some of them and for traces. */
import { opCode } from '../protocol/constants.ts';
import type { JuteReader } from '../protocol/jute.ts';
import { readMulti } from '../protocol/messages/multi.ts';

export type OperationName = keyof typeof opCode;

export interface SeenRequest {
  /** Name of the client. */
  readonly client: string;
  readonly operation: OperationName | 'unknown';
  /** The znodes that it names; those of a multi in its order. Empty for requests about none. */
  readonly paths: readonly string[];
  /** Whether it may change the tree. */
  readonly writes: boolean;
}

const names = new Map<number, OperationName>(
  (Object.keys(opCode) as OperationName[]).map((name) => [opCode[name], name]),
);
const writing: ReadonlySet<string> = new Set<OperationName>([
  'create',
  'create2',
  'createContainer',
  'createTtl',
  'delete',
  'setData',
  'setAcl',
  'multi',
  'closeSession',
]);
const withoutPath: ReadonlySet<string> = new Set<OperationName>([
  'ping',
  'auth',
  'setWatches',
  'setWatches2',
  'closeSession',
]);

export function describeRequest(client: string, r: JuteReader): SeenRequest {
  r.int();
  const operation = names.get(r.int()) ?? 'unknown';
  return { client, operation, paths: pathsOf(operation, r), writes: writing.has(operation) };
}

function pathsOf(operation: SeenRequest['operation'], r: JuteReader): string[] {
  if (operation === 'unknown' || withoutPath.has(operation)) return [];
  if (operation === 'multi' || operation === 'multiRead') return readMulti(r).map((part) => part.path);
  return [r.string()];
}
