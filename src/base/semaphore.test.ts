import { expect, test } from 'vitest';
import { Semaphore } from './semaphore.ts';

const never = new AbortController().signal;

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('no more at once than it lets, in the order in which they came, also after failures', async () => {
  const semaphore = new Semaphore(2);
  const gates = [gate(), gate(), gate(), gate()];
  const begun: number[] = [];
  const uses = gates.map((one, n) =>
    semaphore.use(never, async () => {
      begun.push(n);
      await one.opened;
      if (n === 0) throw new Error('first');
      return n;
    }),
  );
  const settled = Promise.allSettled(uses);
  await expect.poll(() => begun).toEqual([0, 1]);
  gates[0]!.open();
  await expect.poll(() => begun).toEqual([0, 1, 2]);
  for (const one of gates) one.open();
  expect((await settled).map((result) => result.status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(begun).toEqual([0, 1, 2, 3]);
});

test('who gives up while waiting leaves at once and takes no slot with it', async () => {
  const semaphore = new Semaphore(1);
  const running = gate();
  const first = semaphore.use(never, () => running.opened);
  const abort = new AbortController();
  const waiting = semaphore.use(abort.signal, () => Promise.resolve('never'));
  const last = semaphore.use(never, () => Promise.resolve('last'));
  abort.abort(new Error('gave up'));
  await expect(waiting).rejects.toThrow('gave up');
  await expect(semaphore.use(abort.signal, () => Promise.resolve())).rejects.toThrow('gave up');
  running.open();
  await first;
  expect(await last).toBe('last');
});
