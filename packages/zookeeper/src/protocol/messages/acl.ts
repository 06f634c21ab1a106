/** Reading and writing who may do what with a znode: the records GetACL… and SetACL… of zookeeper.jute. */
import { opCode } from '../constants.ts';
import { type Acl, readAcl, readStat, type Stat, writeAcl, writeStat } from '../records.ts';
import { type Message, type PathRequest, pathRequest } from './message.ts';

export interface GetAclResponse {
  readonly acl: readonly Acl[];
  readonly stat: Stat;
}

export const getAclMessage: Message<PathRequest, { readonly acl: Acl[]; readonly stat: Stat }, GetAclResponse> = {
  op: opCode.getAcl,
  repeatable: true,
  ...pathRequest,
  writeResponse: (w, { acl, stat }) => writeStat(w.vector(acl, writeAcl), stat),
  readResponse: (r) => ({ acl: r.vector(readAcl), stat: readStat(r) }),
};

export interface SetAclRequest {
  readonly path: string;
  readonly acl: readonly Acl[];
  /** The version of the list, not of the data; -1 for any. */
  readonly aversion: number;
}

export const setAclMessage: Message<SetAclRequest, Stat> = {
  op: opCode.setAcl,
  repeatable: false,
  writeRequest: (w, { path, acl, aversion }) => void w.string(path).vector(acl, writeAcl).int(aversion),
  readRequest: (r) => ({ path: r.string(), acl: r.vector(readAcl), aversion: r.int() }),
  writeResponse: writeStat,
  readResponse: readStat,
};
