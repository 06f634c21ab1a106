/** A mirror, not yet started, that keeps the data of every znode below a root as text. */
import type { ZooKeeper } from '../contract/types.ts';
import { Mirror } from '../recipes/mirror.ts';

export function mirroredData(
  client: ZooKeeper,
  root: string,
): { readonly mirror: Mirror<string>; readonly seen: ReadonlyMap<string, string> } {
  const seen = new Map<string, string>();
  const mirror = new Mirror({
    client,
    root,
    classify: () => 'data',
    parse: (_path, data) => data.toString(),
    onChange: (path, entry) => {
      if (entry) seen.set(path, entry.value);
      else seen.delete(path);
    },
    onSync: () => undefined,
    onError: () => undefined,
  });
  return { mirror, seen };
}
