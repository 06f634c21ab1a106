/** `h1:2181,h2:2181/chroot`: the chroot is given once, or the same with every server. */
import { BadArgumentsError } from '../contract/errors.ts';
import type { ServerAddress } from '../contract/types.ts';

interface ConnectString {
  readonly servers: readonly ServerAddress[];
  /** '' or a path without trailing slash. */
  readonly chroot: string;
}

export function parseConnectString(text: string, defaultPort = 2181): ConnectString {
  const chroots = new Set<string>();
  const servers = text.split(',').map((part) => {
    const match = /^\s*(\[[^\]]+\]|[^:/\s]+)(?::(\d{1,5}))?(\/\S*)?\s*$/.exec(part);
    if (!match) throw new BadArgumentsError('bad-arguments', `not a server: ${JSON.stringify(part)}`);
    const host = match[1]!.replace(/^\[(.*)\]$/, '$1');
    if (match[3] !== undefined) chroots.add(match[3].replace(/\/+$/, ''));
    const port = match[2] === undefined ? defaultPort : Number(match[2]);
    if (port < 1 || port > 65_535) throw new BadArgumentsError('bad-arguments', `not a port: ${port}`);
    return { host, port };
  });
  if (chroots.size > 1) {
    throw new BadArgumentsError('bad-arguments', `the servers disagree about the chroot: ${[...chroots].join(', ')}`);
  }
  return { servers, chroot: [...chroots][0] ?? '' };
}
