/** Loads a configuration that a test has as text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Loaded, loadConfig } from '../load.ts';
import type { DriverConfigDefinition } from '../model.ts';

/** Throws ConfigError; the file is called nodepool.yaml there. */
export function loadYaml(text: string, drivers: readonly DriverConfigDefinition[]): Loaded {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-config-'));
  try {
    const path = join(directory, 'nodepool.yaml');
    writeFileSync(path, text);
    return loadConfig({ path, env: {}, drivers: new Map(drivers.map((d) => [d.name, d])) });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
