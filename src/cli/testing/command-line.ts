/** Runs the command line within a test's process, with what it prints caught. */
import { onTestFinished, vi } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { configFile, temporaryDirectory } from '../../base/testing/files.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { nodepool } from '../program.ts';

export interface Printed {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One at a time: the console belongs to the process. */
export async function run(...argv: string[]): Promise<Printed> {
  let stdout = '';
  let stderr = '';
  const text = (parts: unknown[]) => `${parts.map((part) => (part instanceof Error ? part.stack : part)).join(' ')}\n`;
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((...parts) => void (stdout += text(parts))),
    vi.spyOn(console, 'error').mockImplementation((...parts) => void (stderr += text(parts))),
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => ((stdout += chunk.toString()), true)),
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => ((stderr += chunk.toString()), true)),
  ];
  try {
    const status = await nodepool(argv);
    return { status, stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

export { configFile, temporaryDirectory };

/** An embedded coordinator that a command finds by this data directory, and a client of it; gone after the test. */
export async function coordinatorIn(dataDir: string): Promise<ZooKeeper> {
  const coordinator = await startCoordinator({ dataDir, runtime: systemRuntime });
  const client = createZooKeeper({ servers: [], connector: coordinator.connector });
  onTestFinished(async () => {
    await client.close();
    await coordinator.close();
  });
  return client;
}

/** The labels `small` and `large` of a cloud that is only played, with a coordinator in `data`; `top`: further sections, as lines. */
export function fakeCloudConfig(directory: string, top: string, pool = ''): string {
  return configFile(
    directory,
    `coordinator: {data-dir: ${directory}/data}
${top}
providers:
  - name: cloud
    driver: fake
    cloud: cloud
    region-name: nowhere
    cloud-images: [{name: debian, image-name: Fake Precise, username: zuul}]
    pools:
      - name: main
        max-servers: 3
        ${pool}
        host-key-checking: false
        labels: [{name: small, cloud-image: debian, min-ram: 1024}, {name: large, cloud-image: debian, min-ram: 8192}]
`,
  );
}
