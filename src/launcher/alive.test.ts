/** When a launcher says of itself that only a restart can help. */
import { expect, test, onTestFinished, vi } from 'vitest';
import { Cluster, fakeProvider, hastened } from './testing/cluster.ts';

const patience = { timeout: 20_000, interval: 10 };

test('alive while the cloud fails and requests wait, dead when its passes have failed for a minute', async () => {
  const cluster = await Cluster.start(hastened(60));
  onTestFinished(() => cluster.stop());
  const launcher = await cluster.launch(
    `labels: [{name: a}]\nproviders: ${fakeProvider(
      'cloud',
      '[{name: main, max-servers: 1, labels: [{name: a, cloud-image: image, min-ram: 1}]}]',
      'fake-cloud: {boot-delay: 0.01}',
    )}\n`,
  );
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'fulfilled');
  expect(launcher.alive).toBe(true);

  // Every look at the requests fails from now on, as a bug would have it.
  const broken = vi.spyOn(cluster.storeOf(launcher).requests, 'get').mockImplementation(() => {
    throw new Error('planted');
  });
  await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => cluster.logged.map(({ message }) => message), patience).toContain('A dispatch pass failed');
  expect(launcher.alive).toBe(true);
  await expect.poll(() => launcher.alive, patience).toBe(false);

  // Passes are tried again by themselves.
  broken.mockRestore();
  await expect.poll(() => launcher.alive, patience).toBe(true);
});
