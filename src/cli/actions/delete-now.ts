/** delete --now: an operator removes a node and its instance in this process, with or without a launcher. */
import { nodeColumns } from '../../listings/columns.ts';
import type { ProviderConfig } from '../../config/model.ts';
import type { ExternalId } from '../../driver-kit/contract.ts';
import { Provider } from '../../provider/provider.ts';
import { isBroken } from '../../records/broken.ts';
import { sleep, systemRuntime } from '../../base/runtime.ts';
import type { HeldNode } from '../../store/transactions/held.ts';
import { Operations } from '../../store/transactions/operations.ts';
import { Store } from '../../store/mirrors/store.ts';
import type { Log } from '../../telemetry/log/log.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { createAdapter } from '../../drivers/catalogue.ts';
import { type OutputFormat, rendered } from '../../listings/format.ts';
import { onStopSignal } from '../../program/process.ts';
import { UserError } from '../../base/user-error.ts';

const lockPatienceMs = 5000;
const lockRetryMs = 200;
const providerPatienceMs = 60_000;
const removalTimeoutMs = 600_000;

export async function deleteNow(globals: GlobalOptions, id: string, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client, config, log) => {
    const store = await Store.open({ client, runtime: systemRuntime, log });
    try {
      const node = store.nodes.get(id)?.node;
      if (!node || isBroken(node)) return console.log(`Node id ${id} not found`);
      const provider = config.providers.get(node.provider ?? '');
      if (!provider) {
        return console.log(`Provider ${node.provider ?? 'None'} for node ${id} not defined on this launcher`);
      }
      const operations = new Operations(store);
      const held = await lockPatiently(operations, id);
      if (!held) return console.log(`Node id ${id} not found`);
      try {
        await removeInstance(provider, store, held, log);
        await operations.finishDeleting(held);
        console.log(rendered(nodeColumns(false, systemRuntime.nowMs()), [], format));
      } finally {
        // After a failure the node stays `deleting`, and a launcher goes on with it.
        await held.release();
      }
    } finally {
      await store.close();
    }
  });
}

async function lockPatiently(operations: Operations, id: string): Promise<HeldNode | null> {
  const endMs = systemRuntime.monotonicMs() + lockPatienceMs;
  for (;;) {
    const locked = await operations.lockNode(id);
    if (locked.ok) return locked.node;
    if (locked.reason === 'gone') return null;
    if (systemRuntime.monotonicMs() > endMs) {
      throw new UserError(`node ${id} is locked by somebody else (waited ${lockPatienceMs / 1000} s)`);
    }
    await sleep(systemRuntime, lockRetryMs);
  }
}

async function removeInstance(config: ProviderConfig, store: Store, held: HeldNode, log: Log): Promise<void> {
  const written = await held.write({ state: 'deleting' });
  if (!written.ok) throw new UserError(`node ${held.id} could not be marked as deleting: ${written.reason}`);
  const { externalId } = held.node;
  // A node of a metastatic provider has no instance: its place on the backing node is free once its record has gone.
  if (externalId === null || config.driver === 'metastatic') return;
  const provider = new Provider(
    {
      createAdapter: () => createAdapter(config, systemRuntime, log),
      runtime: systemRuntime,
      log,
      isKnownNode: (id) => store.nodes.get(id) !== undefined,
    },
    config,
  );
  const stop = onStopSignal();
  try {
    await running(provider, stop.signal);
    await provider.remove(externalId as ExternalId, { timeoutMs: removalTimeoutMs, signal: stop.signal });
  } finally {
    stop.dispose();
    await provider.stop();
  }
}

function running(provider: Provider, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      off();
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => done(() => reject(signal.reason as Error));
    const fail = () =>
      done(() => reject(new UserError(`provider ${provider.name} can't be used: ${provider.stateReason}`)));
    const timer = systemRuntime.setTimer(providerPatienceMs, fail);
    const off = provider.onChange(() => {
      if (provider.running) done(resolve);
      else if (provider.state === 'failed') fail();
    });
    signal.addEventListener('abort', onAbort, { once: true });
    provider.start();
  });
}
