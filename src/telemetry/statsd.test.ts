import { createSocket } from 'node:dgram';
import { expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../base/runtime.ts';
import { statsdFromEnvironment, statsName } from './statsd.ts';

const warnings: unknown[] = [];
const log = { warn: (...words: unknown[]) => void warnings.push(words) };

async function receiver() {
  const socket = createSocket('udp4');
  const datagrams: string[] = [];
  socket.on('message', (message) => datagrams.push(message.toString()));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  return { port: String(socket.address().port), datagrams };
}

it('sends gauges, counters and timers, several in a datagram of bounded size', async () => {
  const { port, datagrams } = await receiver();
  const statsd = statsdFromEnvironment({ STATSD_HOST: '127.0.0.1', STATSD_PORT: port }, systemRuntime, log)!;
  onTestFinished(() => statsd.close());
  statsd.gauge('a', 3);
  statsd.gauge('unlimited', Number.POSITIVE_INFINITY);
  statsd.count('b');
  statsd.timing('c', 12.6);
  for (let i = 0; i < 200; i++) statsd.gauge(`name-${i}`, i);
  await expect.poll(() => datagrams.join('\n').split('\n').length).toBe(204);
  expect(datagrams[0]).toMatch(/^a:3\|g\nunlimited:inf\|g\nb:1\|c\nc:13\|ms\n/);
  expect(Math.max(...datagrams.map((d) => d.length))).toBeLessThanOrEqual(1000);
});

it('takes a name for the receiver, and goes on where there is none of that name', async () => {
  const { port, datagrams } = await receiver();
  const statsd = statsdFromEnvironment({ STATSD_HOST: 'localhost', STATSD_PORT: port }, systemRuntime, log)!;
  const lost = statsdFromEnvironment({ STATSD_HOST: 'nobody.invalid', STATSD_PORT: port }, systemRuntime, log)!;
  onTestFinished(() => [statsd, lost].forEach((one) => one.close()));
  for (const one of [statsd, lost]) one.gauge('a', 3);
  await expect.poll(() => datagrams).toEqual(['a:3|g']);
});

it('is silent unless asked for', () => {
  expect(statsdFromEnvironment({}, systemRuntime, log)).toBeNull();
});

it.each(['0', '65536', '-1', '81.5', 'port'])('says that %s is no port, and sends nothing', (port) => {
  warnings.length = 0;
  expect(statsdFromEnvironment({ STATSD_PORT: port }, systemRuntime, log)).toBeNull();
  expect(warnings).toMatchObject([[{ port }, expect.stringContaining('STATSD_PORT')]]);
});

it('keeps foreign text within its part of a name', () => {
  expect(statsName('NodePool:min-ready v1.2|x\n')).toBe('NodePool_min-ready_v1_2_x_');
});
