/** Finds out who is at work on a tree: a copy made meanwhile could hold half of what they do. */
import { childrenOf, readIfThere } from '../../store/transactions/tree.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { UserError } from '../../base/user-error.ts';
import type { OpenTree } from './open-tree.ts';
import { printable } from './report.ts';

/** Where components are registered; Nodepool's and Zuul's registries are alike. */
const registries = ['/nodepool/components', '/zuul/components'];
/** Kinds that belong to a component that is registered itself. */
const parts = ['pool'];

/** Throws UserError when somebody is registered. A killed component is registered until its session is over. */
export async function refuseParticipants({ client, where, alone }: OpenTree): Promise<void> {
  const found = alone ? [] : await participants(client);
  if (found.length === 0) return;
  throw new UserError(
    `${where} is in use by ${counted(found).map(printable).join(', ')}; stop them first, or give --allow-running`,
  );
}

/** Counts equal names: several components of a kind may be at work on one host. */
function counted(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${count} times ${name}`));
}

/** Registered components in words, such as `launcher on host1`. */
async function participants(client: ZooKeeper): Promise<string[]> {
  const found: string[] = [];
  for (const registry of registries) {
    for (const kind of await childrenOf(client, registry)) {
      if (parts.includes(kind)) continue;
      for (const name of await childrenOf(client, `${registry}/${kind}`)) {
        const record = await readIfThere(client, `${registry}/${kind}/${name}`);
        if (record && record.stat.ephemeralOwner !== 0n) found.push(`${kind} on ${hostOf(record.data) ?? name}`);
      }
    }
  }
  return found;
}

function hostOf(data: Buffer): string | null {
  try {
    const { hostname } = JSON.parse(data.toString()) as { hostname?: unknown };
    return typeof hostname === 'string' ? hostname : null;
  } catch {
    return null;
  }
}
