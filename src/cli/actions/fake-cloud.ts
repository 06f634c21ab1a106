/** fake-cloud: runs a fake cloud in a process of its own, so that it outlives launchers and serves several of them. */
import { startFakeCloudServer } from '../../drivers/fake/fake-cloud-server.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { onStopSignal } from '../../program/process.ts';

export async function fakeCloud(port: number): Promise<void> {
  const stop = onStopSignal();
  const server = await startFakeCloudServer({ port, runtime: systemRuntime });
  console.log(`http://127.0.0.1:${server.port}`);
  await stop.received;
  await server.close();
}
