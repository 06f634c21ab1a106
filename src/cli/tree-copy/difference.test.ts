/** What an import has to do, told from two indexes. */
import { describe, expect, it } from 'vitest';
import { paths } from '../../store/paths.ts';
import { difference, isEqual } from './difference.ts';
import { indexTree, nextNumber, type TreeEntry } from './entry.ts';

const index = (entries: Readonly<Record<string, Partial<TreeEntry>>>) =>
  indexTree(
    (async function* () {
      await Promise.resolve();
      for (const [path, rest] of Object.entries(entries))
        yield { path, data: Buffer.alloc(0), next: 0, acl: null, ...rest };
    })(),
  );
const compare = async (
  want: Readonly<Record<string, Partial<TreeEntry>>>,
  have: Readonly<Record<string, Partial<TreeEntry>>> = {},
) => difference(await index(want), await index(have));

const data = Buffer.from('x');
const uploads = paths.uploads('debian', '01', 'cloud1');

describe('the difference of two trees', () => {
  it('of equal ones is nothing, and a counter may be higher', async () => {
    const tree = { '/a': { next: 2 }, '/a/b': { data, acl: [{ perms: 1, scheme: 'world', id: 'anyone' }] } };
    expect(isEqual(await compare(tree, tree))).toBe(true);
    expect(await compare(tree, { ...tree, '/a': { next: 9 } })).toMatchObject({ same: 2, lowCounters: [] });
  });

  it('names what is missing, other, or more', async () => {
    const want = { '/a': {}, '/a/b': { data }, '/a/bb': { data }, '/a/c': { data }, '/a/d': {} };
    const acl = [{ perms: 1, scheme: 'world', id: 'anyone' }];
    const have = {
      '/a': {},
      '/a/b': {},
      '/a/bb': { data: Buffer.from('y') },
      '/a/d': { acl },
      '/a/e': {},
      '/f': { data },
    };
    expect(await compare(want, have)).toEqual({
      same: 1,
      missing: ['/a/c'],
      changed: ['/a/b', '/a/bb'],
      changedDocuments: ['/a/bb'],
      acl: ['/a/d'],
      extra: ['/a/e', '/f'],
      extraDocuments: ['/f'],
      lowCounters: [],
    });
  });

  it.each([
    // The containers whose children are numbered, also when they are empty.
    [paths.nodes, {}, true],
    [paths.requests, {}, true],
    [uploads, {}, true],
    // Somebody waits there, whom the next one must not overtake.
    [paths.nodeLock('0000000007'), { '/0123__lock__0000000004': {} }, true],
    [paths.nodeLock('0000000007'), {}, false],
    // Children that have names of their own.
    [paths.requestLocks, { '/200-0000000001': {} }, false],
    [paths.images, { '/image-2026112100': {} }, false],
    [paths.image('debian'), { '/builds': {} }, false],
    [paths.component('launcher'), {}, false],
    // Somebody else's: nobody knows.
    ['/zuul/events', {}, true],
    ['/zuul/semaphores', { '/one': {} }, false],
    ['/zuul/some/lock', {}, false],
  ])('the counter of %s with %j is wanted: %s', async (path, children, wanted) => {
    const below = Object.fromEntries(Object.entries(children).map(([name, entry]) => [`${path}${name}`, entry]));
    const { lowCounters } = await compare({ [path]: { next: 50 }, ...below });
    const made = Object.keys(children).length;
    expect(lowCounters).toEqual(wanted ? [{ path, have: made, want: 50 }] : []);
  });

  it('counts what is still to be made', async () => {
    const want = { [paths.nodes]: { next: 3 }, [paths.node('0000000001')]: {}, [paths.node('0000000002')]: {} };
    const have = { [paths.nodes]: { next: 1 }, [paths.node('0000000001')]: {} };
    expect((await compare(want, have)).lowCounters).toEqual([{ path: paths.nodes, have: 2, want: 3 }]);
    expect((await compare(want, { ...have, [paths.nodes]: { next: 2 } })).lowCounters).toEqual([]);
  });
});

it.each([
  [0, 0, 0],
  [7, 1, 4],
  [4, 0, 2],
  // 2^30 creations and more: what ZooKeeper tells has gone over.
  [-2_147_483_648, 0, 2 ** 30],
  [-3, 1, 2 ** 31 - 1],
])('cversion %i with %i children: the next number is %i', (cversion, numChildren, next) => {
  expect(nextNumber({ cversion, numChildren })).toBe(next);
});
