import { describe, expect, it } from 'vitest';
import { defaultLayout } from './layout.ts';
import type { Level } from './levels.ts';
import { createLogs } from './log.ts';
import type { LogPlan, OutputPlan } from './log-plan.ts';

function logTo(format: 'human' | 'json', level: Level = 'info') {
  const lines: string[] = [];
  const plan: LogPlan = {
    loggers: new Map([['', { level, outputs: ['all'], propagate: true }]]),
    outputs: new Map([['all', output(format)]]),
  };
  const logs = createLogs(plan, () => ({ write: (line) => void lines.push(line) }));
  return { lines, logs, log: logs.named('nodepool') };
}

function output(format: 'human' | 'json'): OutputPlan {
  const human = { kind: 'human', layout: defaultLayout, dateLayout: null } as const;
  return { level: null, format: format === 'human' ? human : { kind: 'json' }, target: { kind: 'stream', fd: 1 } };
}

describe('the human format', () => {
  it('begins with time, level and name', () => {
    const { lines, log } = logTo('human');
    log.info({}, 'The launcher has started');
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO nodepool: The launcher has started\n$/);
  });

  it('prefixes event, request and node in this order, other fields follow', () => {
    const { lines, log } = logTo('human');
    log.warn({ nodeId: '0000000003', eventId: 'e1', pool: 'main', requestId: '200-0000000001', tries: 2 }, 'Slow');
    expect(lines[0]).toContain(
      'WARNING nodepool: [e: e1] [node_request: 200-0000000001] [node: 0000000003] Slow pool=main tries=2\n',
    );
  });

  it("takes the logger's name", () => {
    const { lines, logs } = logTo('human');
    logs.named('nodepool.launcher').info({}, 'x');
    expect(lines[0]).toContain('INFO nodepool.launcher: x');
  });

  it('puts the whole prefix before each line of a stack', () => {
    const { lines, log } = logTo('human');
    log.error({ requestId: '200-0000000001', err: new Error('broken') }, 'Failed');
    const [first, ...rest] = lines[0]!.trimEnd().split('\n');
    expect(first).toMatch(/Failed: broken$/);
    expect(rest.length).toBeGreaterThan(1);
    for (const line of rest) expect(line).toMatch(/ERROR nodepool: \[node_request: 200-0000000001\] {3}/);
  });

  it('names causes and prints no stack for warnings', () => {
    const { lines, log } = logTo('human');
    log.warn({ err: new Error('no listing', { cause: new Error('ECONNREFUSED') }) }, 'Trying again');
    expect(lines[0]).toMatch(/Trying again: no listing: ECONNREFUSED\n$/);
  });

  it('lets no value start a line of its own', () => {
    const { lines, log } = logTo('human');
    log.info({ eventId: 'e\n2026-01-01 forged', label: 'a\u001b[2J' }, 'Request');
    expect(lines[0]!.trimEnd().split('\n')).toHaveLength(1);
    expect(lines[0]).not.toContain('\u001b');
  });

  it('nor does a stack or a value with parts steer a terminal', () => {
    const { lines, log } = logTo('human');
    const err = new Error('a\u001b[2J\rb\u009b2J\u2028c');
    log.error({ err, parts: { of: ['\u009b2J\u2028\u007f'] }, 'a\u009b': [1] }, 'Failed');
    expect(lines[0]!.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
    expect(lines[0]!.split('\n').length).toBeGreaterThan(3);
  });
});

describe('redaction', () => {
  it('takes secrets out of running text: of errors, their causes and stacks, and of other fields', () => {
    for (const format of ['human', 'json'] as const) {
      const { lines, log } = logTo(format);
      const cause = new Error('https://me:hidden1@cloud.example refused');
      log.error({ err: new Error('login with password=hidden2 failed', { cause }), why: 'Bearer hidden3hidden3' }, 'x');
      expect(lines.join('')).not.toContain('hidden');
      expect(lines.join('')).toContain('cloud.example');
    }
  });

  it('hides secrets by name at any depth, in both formats', () => {
    for (const format of ['human', 'json'] as const) {
      const { lines, log } = logTo(format);
      log.info(
        {
          password: 'hidden1',
          auth: { accessToken: 'hidden2', list: [{ clientSecret: 'hidden3' }] },
          connectionPort: { host: 'h', ca: 'hidden4' },
          pem: '-----BEGIN PRIVATE KEY-----\nhidden5',
          key: '0000000001',
          privateIpv4: '10.0.0.1',
        },
        'x',
      );
      expect(lines[0]).not.toContain('hidden');
      expect(lines[0]).toContain('0000000001');
      expect(lines[0]).toContain('10.0.0.1');
    }
  });

  it('prints nothing of an error but its type, message, code and stack', () => {
    const { lines, log } = logTo('json');
    log.error({ err: Object.assign(new Error('refused'), { code: 'x', request: { headers: 'hidden' } }) }, 'x');
    expect(lines[0]).not.toContain('hidden');
    expect(JSON.parse(lines[0]!)).toMatchObject({ err: { type: 'Error', message: 'refused', code: 'x' } });
  });

  it('keeps a number as port', () => {
    const { lines, log } = logTo('json');
    log.info({ connectionPort: 22 }, 'x');
    expect(JSON.parse(lines[0]!)).toMatchObject({ connectionPort: 22 });
  });
});

it('is silent below its level and survives values that JSON does not know', () => {
  const { lines, log } = logTo('human');
  log.debug({}, 'nothing');
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  log.info({ circle, zxid: 2n ** 63n }, 'odd');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('zxid=9223372036854775808');
});
