import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { conformance } from './conformance.ts';

conformance('embedded server', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'conformance-'));
  const coordinator = await startCoordinator({
    dataDir,
    runtime: systemRuntime,
    limits: { containerCheckMs: 500 },
  });
  return {
    servers: [{ host: '127.0.0.1', port: coordinator.address.port! }],
    close: async () => {
      await coordinator.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
});
