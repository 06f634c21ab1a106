/** The stat of a znode that was written for the `version`th time; what nobody looks at is 0. */
import type { Stat } from '@nodepool/zookeeper';

export const statOf = (version: number): Stat => ({
  czxid: 1n,
  mzxid: BigInt(version),
  ctime: 0n,
  mtime: 0n,
  version,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 0,
  numChildren: 0,
  pzxid: 1n,
});
