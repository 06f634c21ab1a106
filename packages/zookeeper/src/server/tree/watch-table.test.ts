import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openAcl } from '../../protocol/records.ts';
import type { TreeEvent } from './database.ts';
import { type WatchKind, watchKinds, WatchTable } from './watch-table.ts';

const secret = [{ perms: 1, scheme: 'digest', id: 'u:x' }];
const event = (type: TreeEvent['type'], path: string, more: Partial<TreeEvent> = {}): TreeEvent => ({
  type,
  path,
  acl: openAcl,
  parentAcl: openAcl,
  ...more,
});
const table = () => new WatchTable<string>((_watcher, acl) => acl !== secret);

function fired(watches: WatchTable<string>, change: TreeEvent): string[] {
  const seen: string[] = [];
  watches.fire(change, (watcher, { type, path }) => seen.push(`${watcher}: ${type} ${path}`));
  return seen.sort();
}

describe('which events reach which watch', () => {
  test.each<[WatchKind, string[], boolean]>([
    ['data', ['created /a/b', 'data-changed /a/b', 'deleted /a/b'], true],
    ['children', ['children-changed /a/b', 'deleted /a/b'], true],
    ['persistent', ['created /a/b', 'data-changed /a/b', 'children-changed /a/b', 'deleted /a/b'], false],
    [
      'persistent-recursive',
      ['created /a/b', 'created /a/b/c', 'data-changed /a/b', 'data-changed /a/b/c', 'deleted /a/b/c', 'deleted /a/b'],
      false,
    ],
  ])('%s', (kind, expected, oneShot) => {
    const changes = [
      event('created', '/a/b'),
      event('created', '/a/b/c'),
      event('data-changed', '/a/b'),
      event('data-changed', '/a/b/c'),
      event('deleted', '/a/b/c'),
      event('deleted', '/a/b'),
      event('created', '/a/bb'),
    ];
    const seen = new Set<string>();
    for (const change of changes) {
      const watches = table();
      watches.add(kind, '/a/b', 'w');
      for (const text of fired(watches, change)) seen.add(text.slice(3));
      if (seen.size > 0 && fired(watches, change).length > 0) expect(oneShot).toBe(false);
    }
    expect([...seen].sort()).toEqual([...new Set(expected)].sort());
  });

  test('a watcher hears of one event once, though several of its watches match', () => {
    const watches = table();
    for (const kind of watchKinds) watches.add(kind, '/a', 'w');
    watches.add('persistent-recursive', '/', 'w');
    expect(fired(watches, event('deleted', '/a'))).toEqual(['w: deleted /a']);
    expect(watches.has('data', '/a', 'w')).toBe(false);
    expect(watches.has('children', '/a', 'w')).toBe(false);
    expect(watches.has('persistent', '/a', 'w')).toBe(true);
  });

  test('about the znode first, about its parent then', () => {
    const watches = table();
    watches.add('persistent', '/', 'w');
    watches.add('persistent', '/a', 'w');
    const order: string[] = [];
    watches.fire(event('created', '/a'), (_w, e) => order.push(`${e.type} ${e.path}`));
    expect(order).toEqual(['created /a', 'children-changed /']);
  });

  test('nothing is told about what may not be read, and the one-shot watch is used up', () => {
    const watches = table();
    watches.add('persistent-recursive', '/', 'w');
    watches.add('data', '/a/b', 'w');
    watches.add('children', '/a', 'v');
    expect(fired(watches, event('created', '/a/b', { acl: secret }))).toEqual(['v: children-changed /a']);
    expect(watches.has('data', '/a/b', 'w')).toBe(false);
    watches.add('children', '/a', 'v');
    expect(fired(watches, event('deleted', '/a/b', { parentAcl: secret }))).toEqual(['w: deleted /a/b']);
  });
});

test('property: the books agree, and nothing is left of a watcher that goes', () => {
  const path = fc.constantFrom('/', '/a', '/a/b');
  const step = fc.record({
    kind: fc.constantFrom(...watchKinds),
    path,
    watcher: fc.constantFrom('u', 'v'),
    what: fc.constantFrom('add', 'add', 'remove', 'fire'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const watches = table();
      const model = new Set<string>();
      for (const s of steps) {
        const key = `${s.kind} ${s.path} ${s.watcher}`;
        if (s.what === 'add') {
          watches.add(s.kind, s.path, s.watcher);
          model.add(key);
        } else if (s.what === 'remove') expect(watches.remove(s.kind, s.path, s.watcher)).toBe(model.delete(key));
        else {
          watches.fire(event('data-changed', s.path), () => undefined);
          for (const watcher of ['u', 'v']) model.delete(`data ${s.path} ${watcher}`);
        }
        expect(watches.size).toBe(model.size);
      }
      for (const key of model) {
        const [kind, at, watcher] = key.split(' ') as [WatchKind, string, string];
        expect(watches.has(kind, at, watcher)).toBe(true);
      }
      for (const watcher of ['u', 'v']) watches.removeAll(watcher);
      expect(watches.size).toBe(0);
      expect(watches.summary()).toEqual({ watchers: 0, paths: 0 });
    }),
  );
});
