/** Names that occur twice in a list: the file is valid, but its author may not know which one counts. */
import type { ConfigDocument } from './document.ts';
import { isMapping } from './yaml/values.ts';

/** Where several items of a list have one name, the last one counts, for us as for the Python daemons. */
export function warnOfDuplicates(
  main: ConfigDocument,
  mapping: Record<string, unknown>,
  at: readonly PropertyKey[],
): void {
  for (const key of ['labels', 'providers', 'pools', 'cloud-images', 'tenant-resource-limits']) {
    const items = mapping[key];
    if (!Array.isArray(items)) continue;
    const nameKey = key === 'tenant-resource-limits' ? 'tenant-name' : 'name';
    const seen = new Set<unknown>();
    for (const [index, item] of items.entries() as Iterable<[number, unknown]>) {
      if (!isMapping(item)) continue;
      const name = item[nameKey];
      if (typeof name === 'string' && seen.has(name)) {
        const message = `${name} is there already, in these ${key} the last one counts`;
        main.warnings.push(main.issue([...at, key, index, nameKey], message));
      }
      seen.add(name);
      if (key === 'pools') warnOfDuplicates(main, item, [...at, key, index]);
    }
  }
}
