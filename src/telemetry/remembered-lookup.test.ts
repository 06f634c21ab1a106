import { expect, test } from 'vitest';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import { type Lookup, rememberedLookup } from './remembered-lookup.ts';

function setup() {
  const clock = { ms: 0 };
  const runtime: Runtime = { ...systemRuntime, monotonicMs: () => clock.ms };
  const asked: Parameters<Lookup>[] = [];
  const lookup = rememberedLookup(runtime, (...args) => void asked.push(args));
  const ask = (name = 'collector') =>
    new Promise<string>((resolve) =>
      lookup(name, {}, (error, address, family) => resolve(error ? (error.code ?? '') : `${address}/${family}`)),
    );
  return { clock, asked, ask };
}

test('a name is looked up once a minute, however many ask', async () => {
  const { clock, asked, ask } = setup();
  const first = [ask(), ask()];
  expect(asked).toHaveLength(1);
  asked[0]![2](null, '192.0.2.1', 4);
  expect(await Promise.all(first)).toEqual(['192.0.2.1/4', '192.0.2.1/4']);
  clock.ms = 59_999;
  expect(await ask()).toBe('192.0.2.1/4');
  expect(asked).toHaveLength(1);
  clock.ms = 60_000;
  const again = ask();
  asked[1]![2](null, '192.0.2.2', 4);
  expect(await again).toBe('192.0.2.2/4');
});

test('a failure is believed for five seconds', async () => {
  const { clock, asked, ask } = setup();
  const first = ask();
  asked[0]![2](Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '', 0);
  expect(await first).toBe('ENOTFOUND');
  clock.ms = 4999;
  expect(await ask()).toBe('ENOTFOUND');
  clock.ms = 5000;
  void ask();
  expect(asked).toHaveLength(2);
});

test('a name server that does not answer gathers no crowd', async () => {
  const { asked, ask } = setup();
  for (let index = 0; index < 100; index++) void ask();
  expect(await ask()).toBe('not-looked-up');
  expect(asked).toHaveLength(1);
});

test('an address is no name', async () => {
  const { asked, ask } = setup();
  expect(await ask('127.0.0.1')).toBe('127.0.0.1/4');
  expect(asked).toEqual([]);
});
