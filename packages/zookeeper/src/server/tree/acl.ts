/** Who may do what with a znode: the schemes world, auth, digest and ip, checked as Apache ZooKeeper does. */
import { createHash } from 'node:crypto';
import { BlockList, isIP, isIPv4 } from 'node:net';
import { errorCode, permission } from '../../protocol/constants.ts';
import type { Acl } from '../../protocol/records.ts';
import { Refusal } from './refusal.ts';

export interface Identity {
  readonly scheme: string;
  readonly id: string;
}

export const worldAcl: readonly Acl[] = [{ perms: permission.all, scheme: 'world', id: 'anyone' }];

/** The server itself: no rule stops it. */
export const itself: readonly Identity[] = [{ scheme: 'super', id: '' }];

export function digestIdentity(userAndPassword: string): Identity {
  const user = userAndPassword.split(':', 1)[0] ?? '';
  return { scheme: 'digest', id: `${user}:${createHash('sha1').update(userAndPassword).digest('base64')}` };
}

export function isAllowed(acl: readonly Acl[], need: number, identities: readonly Identity[]): boolean {
  if (acl === worldAcl) return true;
  for (const entry of acl) {
    if ((entry.perms & need) === 0) continue;
    if (entry.scheme === 'world' && entry.id === 'anyone') return true;
    if (identities.some((identity) => identity.scheme === entry.scheme && matches(entry, identity))) return true;
  }
  // An empty list protects nothing, as with Apache.
  return acl.length === 0 || identities.some((identity) => identity.scheme === 'super');
}

export function authorize(acl: readonly Acl[], need: number, identities: readonly Identity[]): void {
  if (!isAllowed(acl, need, identities)) throw new Refusal(errorCode.noAuth);
}

/** The list as it is stored: `auth` replaced by who the client is, doubles dropped. Throws Refusal for what is not valid. */
export function fixAcl(acl: readonly Acl[], identities: readonly Identity[]): readonly Acl[] {
  if (acl.length === 1 && isWorld(acl[0]!) && acl[0]!.perms === permission.all) return worldAcl;
  const fixed: Acl[] = [];
  const add = (entry: Acl) => {
    const same = (other: Acl) => other.perms === entry.perms && other.scheme === entry.scheme && other.id === entry.id;
    if (!fixed.some(same)) fixed.push(entry);
  };
  for (const entry of acl) {
    if (entry.scheme === 'auth') {
      const own = identities.filter((identity) => identity.scheme === 'digest');
      if (own.length === 0) throw new Refusal(errorCode.invalidAcl);
      for (const { scheme, id } of own) add({ perms: entry.perms, scheme, id });
    } else if (isWorld(entry) || isValid(entry)) add(entry);
    else throw new Refusal(errorCode.invalidAcl);
  }
  if (fixed.length === 0) throw new Refusal(errorCode.invalidAcl);
  return fixed;
}

/** What somebody sees who may read but not administer: no hashes of passwords. */
export const maskedAcl = (acl: readonly Acl[]): readonly Acl[] =>
  acl.map((entry) => (entry.scheme === 'digest' ? { ...entry, id: entry.id.replace(/:.*/s, ':x') } : entry));

const isWorld = (entry: Acl) => entry.scheme === 'world' && entry.id === 'anyone';

function isValid(entry: Acl): boolean {
  if (entry.scheme === 'digest') return /^[^:]*:[^:]+$/.test(entry.id);
  return entry.scheme === 'ip' && network(entry.id) !== null;
}

function matches(entry: Acl, identity: Identity): boolean {
  if (entry.scheme !== 'ip') return entry.id === identity.id;
  const of = network(entry.id);
  return of !== null && isIP(identity.id) !== 0 && of.check(identity.id, isIPv4(identity.id) ? 'ipv4' : 'ipv6');
}

/** An address, or an address with the number of bits that count. */
function network(text: string): BlockList | null {
  const [address = '', bits, ...rest] = text.split('/');
  const kind = isIP(address);
  if (kind === 0 || rest.length > 0) return null;
  const most = kind === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (prefix < 0 || prefix > most) return null;
  const list = new BlockList();
  list.addSubnet(address, prefix, kind === 4 ? 'ipv4' : 'ipv6');
  return list;
}
