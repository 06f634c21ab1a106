/** Each rule finds its trouble, and finds nothing where all is well. */
import { describe, expect, test } from 'vitest';
import type { TroubleRecord } from '../records/health.ts';
import { type Finding, isStuck, sortFindings } from './finding.ts';
import type { Snapshot } from './snapshot.ts';
import { report } from './report.ts';
import { treeFindings } from './rules.ts';
import { node, nowMs, minuteMs, pool, request, healthyTree } from './testing/healthy-tree.ts';
import { judge } from './zookeeper.ts';

const all = async (snapshot: Snapshot): Promise<Finding[]> => sortFindings(await treeFindings(snapshot));

async function only(snapshot: Snapshot): Promise<Finding> {
  const found = await all(snapshot);
  expect(found.map(({ check }) => check)).toHaveLength(1);
  return found[0]!;
}

const requests = (...seen: ReturnType<typeof request>[]) => healthyTree({ requests: seen });
const nodes = (...seen: ReturnType<typeof node>[]) => healthyTree({ nodes: seen });

test('where all is well there is nothing to say', async () => {
  const served = request(60, { state: 'pending' }, { locked: true, createdMs: nowMs - minuteMs });
  const snapshot = healthyTree({
    requests: [request(1), request(4, { state: 'pending' }, { locked: true }), request(2, { state: 'fulfilled' })],
    nodes: [
      node(5, { state: 'building' }, { locked: true }),
      node(50, { state: 'ready' }),
      node(500, { state: 'in-use' }, { locked: true }),
      node(0.5, { state: 'used' }),
      node(9, { state: 'deleting' }, { locked: true }),
      node(100, { state: 'hold' }),
      node(0.1, { state: 'ready', allocatedTo: served.request.id }),
    ],
    strayLocks: [{ requestId: 'x', locked: false, changedMs: nowMs - 60 * minuteMs }],
  });
  expect(await all(snapshot)).toEqual([]);
  expect(report([], 'table', { nowMs, seen: '1 launchers' })).toBe(
    'Nothing is wrong, as far as can be seen from here (1 launchers).',
  );
});

describe('requests', () => {
  test('wait: those that wait for the same are one, with the oldest’s reasons', async () => {
    const found = await only(requests(request(10), request(20), request(30), request(1)));
    expect(found).toMatchObject({
      severity: 'warning',
      check: 'request-waits',
      problem: '3 requests for small wait to be taken',
      sinceMs: nowMs - 30 * minuteMs,
      reasons: ['cloud main on host: can serve it; 0 nodes, room for more'],
    });
  });

  test('wait for a full pool', async () => {
    const full = healthyTree({ requests: [request(10)], pools: [{ ...pool, paused: true }] });
    expect((await only(full)).hint).toContain('full');
  });

  test('can be served by nobody', async () => {
    expect(await only(requests(request(10, { nodeTypes: ['huge'] })))).toMatchObject({
      severity: 'critical',
      check: 'request-unserved',
      reasons: ['cloud main on host: does not serve huge'],
    });
  });

  test('were declined by all and not ended', async () => {
    const found = await only(requests(request(10, { declinedBy: [pool.id!] })));
    expect(found).toMatchObject({ check: 'request-declined', reasons: ['cloud main on host: has declined it'] });
  });

  test('are held back by the limit of their tenant, or can never be served within it', async () => {
    const [own, other] = [1, 2].map(() => node(9, { state: 'in-use', tenantName: 't' }, { locked: true }));
    const found = await only(healthyTree({ requests: [request(10, { tenantName: 't' })], nodes: [own!, other!] }));
    expect(found).toMatchObject({ severity: 'warning', check: 'tenant-limit' });
    const three = request(10, { tenantName: 't', nodeTypes: ['small', 'small', 'small'] });
    expect(await only(requests(three))).toMatchObject({ severity: 'critical', check: 'tenant-limit' });
  });

  test('were taken by a launcher that has gone', async () => {
    expect(await only(requests(request(1, { state: 'pending' })))).toMatchObject({
      severity: 'critical',
      check: 'request-abandoned',
    });
  });

  test('were taken and wait for capacity; launches that go on are only worth knowing', async () => {
    const waiting = request(10, { state: 'pending' }, { locked: true });
    expect(await only(requests(waiting))).toMatchObject({ severity: 'warning', check: 'request-waits' });
    const launch = node(6, { state: 'building', allocatedTo: waiting.request.id }, { locked: true });
    const found = await all(healthyTree({ requests: [waiting], nodes: [launch] }));
    expect(found).toMatchObject([{ severity: 'info', check: 'request-launching' }]);
    expect(isStuck(found)).toBe(false);
  });

  test('have ended, and their owner does not care', async () => {
    expect(await only(requests(request(10, { state: 'failed' })))).toMatchObject({ check: 'request-failed' });
    const fulfilled = await only(requests(request(10, { state: 'fulfilled', nodes: ['0000000007'] })));
    expect(fulfilled).toMatchObject({ check: 'request-not-collected' });
    expect(fulfilled.reasons[0]).toContain('zuul has not locked node 0000000007');
  });

  test('very many different ones are not all explained', async () => {
    const many = Array.from({ length: 80 }, (_, i) => request(10 + i, { nodeTypes: [`label-${i}`] }));
    const found = await all(requests(...many));
    expect(found).toHaveLength(51);
    expect(found.at(-1)!.problem).toBe('30 more findings like these are left out');
  });

  test('that are gone, but their locks are not', async () => {
    const strayLocks = [
      { requestId: 'held', locked: true, changedMs: nowMs - 10 * minuteMs },
      { requestId: 'old', locked: false, changedMs: nowMs - 660 * minuteMs },
    ];
    const found = await all(healthyTree({ strayLocks }));
    expect(found.map(({ subject }) => subject)).toEqual(['request old', 'request held']);
    const launching = node(6, { state: 'building', allocatedTo: 'held' }, { locked: true });
    const meanwhile = await all(healthyTree({ strayLocks, nodes: [launching] }));
    expect(meanwhile.map(({ subject }) => subject)).toEqual(['request old']);
  });
});

describe('nodes', () => {
  test.each([
    ['node-building', 'warning', 11, 'building', true],
    ['node-building', 'critical', 31, 'building', true],
    ['node-not-removed', 'warning', 2, 'building', false],
    ['node-not-removed', 'warning', 2, 'init', false],
    ['node-not-removed', 'warning', 2, 'used', false],
    ['node-not-removed', 'warning', 2, 'in-use', false],
    ['node-not-removed', 'warning', 2, 'failed', false],
    ['node-not-removed', 'warning', 2, 'aborted', false],
    ['node-not-removed', 'warning', 2, 'deleting', false],
    ['node-deleting', 'warning', 11, 'deleting', true],
    ['node-used-locked', 'warning', 6, 'used', true],
    ['node-hold-expired', 'warning', 126, 'hold', false],
  ] as const)('%s (%s): %d min in %s, locked: %s', async (check, severity, minutes, state, locked) => {
    const holder = () => Promise.resolve({ sinceMs: nowMs - minuteMs, session: '1a', words: 'executor' });
    const seen = node(minutes, { state }, { locked });
    const found = await only(healthyTree({ nodes: [seen], holder }));
    expect(found).toMatchObject({ check, severity, sinceMs: nowMs - minutes * minuteMs });
    if (locked) expect(found.reasons[0]).toContain('session 0x1a (executor)');
  });

  test('reserved for a request that is gone; not for one that cannot be read', async () => {
    const seen = node(2, { state: 'ready', allocatedTo: '200-0000009999' });
    expect(await only(nodes(seen))).toMatchObject({ check: 'node-reserved-for-nobody' });
    const broken = [{ kind: 'request', id: '200-0000009999', message: 'it has no data' }] as const;
    expect((await all(healthyTree({ nodes: [seen], broken }))).map(({ check }) => check)).toEqual(['broken-document']);
  });

  test('held for longer than their own expiry, or in stock for too long', async () => {
    expect(await only(nodes(node(10, { state: 'hold', holdExpiration: 60 })))).toMatchObject({
      check: 'node-hold-expired',
    });
    expect(await only(nodes(node(70, { state: 'ready', labels: ['large'] })))).toMatchObject({ check: 'node-too-old' });
  });

  test('of one provider with the same trouble are one finding', async () => {
    const many = Array.from({ length: 7 }, (_, i) => node(2 + i, { state: 'used' }));
    const found = await only(nodes(...many));
    expect(found.problem).toContain('7 nodes of provider cloud');
    expect(found.subject).toMatch(/and 2 more$/);
  });

  test('of a provider that nobody has any more', async () => {
    const found = await only(nodes(node(10, { state: 'ready', provider: 'gone' })));
    expect(found).toMatchObject({ check: 'node-of-nobody', subject: 'provider gone' });
  });

  test('that cannot be read', async () => {
    const broken = ['1', '2'].map((id) => ({ kind: 'node' as const, id, message: 'it has no data' }));
    expect(await only(healthyTree({ broken }))).toMatchObject({ subject: 'node 1, 2', reasons: ['it has no data'] });
  });
});

describe('launchers', () => {
  const trouble: TroubleRecord = {
    key: 'provider cloud: start',
    severity: 'critical',
    what: 'provider cloud: the provider is not available',
    why: 'wrong password',
    hint: 'mend it',
    since: nowMs / 1000 - 60,
    figures: { nextTryInMs: 500 },
  };
  const health = (troubles: TroubleRecord[], o: { written?: number; more?: number } = {}) => [
    {
      name: 'host-1',
      writtenMs: nowMs,
      record: { hostname: 'host', processId: 7, version: '1', written: nowMs / 1000, troubles, more: 0, ...o },
    },
  ];

  test('none is running', async () => {
    expect(await only(healthyTree({ launchers: [], pools: [] }))).toMatchObject({
      severity: 'critical',
      check: 'no-launcher',
    });
  });

  test('one is running without pools: the reason is what it says itself', async () => {
    const found = await all(healthyTree({ pools: [], health: health([trouble]) }));
    expect(found.map(({ check }) => check).sort()).toEqual([
      'label-unserved',
      'launcher-without-pools',
      'launcher: provider cloud: start',
      'provider-offline',
    ]);
    expect(found.find(({ check }) => check === 'provider-offline')!.reasons).toEqual(['wrong password']);
    const stated = found.find(({ check }) => check === 'launcher: provider cloud: start')!;
    expect(stated).toMatchObject({ subject: 'launcher host (process 7)', sinceMs: nowMs - minuteMs });
    expect(stated.reasons).toEqual(['wrong password', 'nextTryInMs 500']);
  });

  test('a label that no pool offers, a disk image without upload', async () => {
    const config = `
labels: [{name: small}, {name: large}, {name: lost}]
diskimages: [{name: disk}]
providers:
  - name: cloud
    driver: fake
    cloud: cloud
    diskimages: [{name: disk}]
    pools: [{name: main, labels: [{name: small, diskimage: disk, min-ram: 1}, {name: large, diskimage: disk, min-ram: 1}]}]
`;
    const found = await all(healthyTree({}, config));
    expect(found.map(({ check, subject }) => [check, subject])).toEqual([
      ['image-missing', 'image disk'],
      ['label-unused', 'label lost'],
    ]);
    expect(found[0]!.reasons).toEqual(['label small, large cannot be launched there']);
    expect((await all(healthyTree({ hasUpload: () => true }, config))).map(({ check }) => check)).toEqual([
      'label-unused',
    ]);
  });

  test('fewer nodes in stock than there should be, and nobody asks for more', async () => {
    const config = `
labels: [{name: small, min-ready: 3}]
providers:
  - name: cloud
    driver: fake
    cloud: cloud
    cloud-images: [{name: debian, image-id: i}]
    pools: [{name: main, labels: [{name: small, cloud-image: debian, min-ram: 1}]}]
`;
    const stock = [node(1, { state: 'ready' }), node(1, { state: 'ready', allocatedTo: '200-1' })];
    const asking = request(1, { requestor: 'NodePool:min-ready' });
    const low = await only(healthyTree({ nodes: stock.slice(0, 1), requests: [asking] }, config));
    expect(low).toMatchObject({ check: 'stock-low', reasons: ['small: 1 of 3 in stock, 1 asked for'] });
    const asked = [asking, request(1, { requestor: 'NodePool:min-ready' })];
    expect(await all(healthyTree({ nodes: stock.slice(0, 1), requests: asked }, config))).toEqual([]);
  });

  test('what cannot be read, and what had no room', async () => {
    const unreadable = [{ name: 'x', record: null, writtenMs: nowMs }];
    expect(await only(healthyTree({ health: unreadable }))).toMatchObject({
      check: 'launcher-health',
      severity: 'warning',
    });
    expect(await only(healthyTree({ health: health([], { more: 3 }) }))).toMatchObject({ severity: 'info' });
  });

  test('clocks that differ: of a launcher, of a requestor, of this machine', async () => {
    expect(await only(healthyTree({ health: health([], { written: nowMs / 1000 + 60 }) }))).toMatchObject({
      subject: 'launcher host',
      problem: 'its clock is 60 s ahead of that of ZooKeeper',
    });
    const late = request(1, { requestor: 'zuul' }, { createdMs: nowMs - minuteMs / 2 });
    expect(await only(requests(late))).toMatchObject({ subject: 'requestor zuul', check: 'clock-skew' });
    const future = node(0, { state: 'ready' }, { changedMs: nowMs + 10_000 });
    expect(await only(nodes(future))).toMatchObject({
      subject: 'this machine',
      problem: 'its clock is 10 s behind that of ZooKeeper',
    });
  });
});

describe('a ZooKeeper server', () => {
  test.each([
    ['zk_outstanding_requests\t900\nzk_version\t3.8\n', 'warning'],
    ['zk_open_file_descriptor_count\t95\nzk_max_file_descriptor_count\t100\n', 'warning'],
    ['zk_max_commit_time\t5000\n', 'info'],
    ['This ZooKeeper instance is not currently serving requests\n', 'critical'],
  ])('%j', (answer, severity) => {
    expect(judge('h:1', answer)).toMatchObject([{ severity, subject: 'zookeeper h:1' }]);
  });

  test('that does not answer the word, or is well, is not judged', () => {
    expect(judge('h:1', 'mntr is not executed because it is not in the whitelist.\n')).toEqual([]);
    expect(judge('h:1', 'zk_outstanding_requests\t1\nrubbish\n')).toEqual([]);
  });
});

describe('the report', () => {
  const finding: Finding = {
    severity: 'warning',
    check: 'x',
    subject: 'node \u001b[2J1\nCRITICAL',
    problem: 'p',
    reasons: ['why\u0007', ...Array.from({ length: 20 }, (_, i) => `r${i}`)],
    sinceMs: nowMs - minuteMs,
    hint: 'h'.repeat(2000),
  };

  test('sorts the worst first, then the oldest', () => {
    const ordered = sortFindings([
      { ...finding, severity: 'info', subject: 'd' },
      { ...finding, subject: 'c', sinceMs: null },
      { ...finding, subject: 'b', sinceMs: 5 },
      { ...finding, severity: 'critical', subject: 'a' },
    ]);
    expect(ordered.map(({ subject }) => subject).join('')).toBe('abcd');
  });

  test.each(['table', 'json'] as const)('%s: nothing in it steers a terminal or goes on for ever', (format) => {
    const text = report([finding, { ...finding, sinceMs: Number.MAX_VALUE }], format, { nowMs, seen: 's' });
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
    expect(text).not.toMatch(/^CRITICAL/m);
    expect(text.length).toBeLessThan(4000);
    expect(text).toContain('… and 9 more');
  });

  test('says since when, why and what to do', () => {
    const text = report([{ ...finding, subject: 'node 1', reasons: ['a', 'b'], hint: 'mend it' }], 'table', {
      nowMs,
      seen: '1 nodes',
    });
    expect(text).toBe(
      [
        '1 stuck or going wrong (1 nodes)',
        '',
        'WARNING  node 1: p',
        '  since  2023-11-14T22:12:20.000Z (00:00:01:00)',
        '  why    a',
        '         b',
        '  do     mend it',
      ].join('\n'),
    );
  });
});
