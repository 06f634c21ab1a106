/** Loads a configuration that a test has as text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Loaded, loadConfig } from '../load.ts';
import type { DriverConfigDefinition } from '../model.ts';

/** Throws ConfigError; the files are called nodepool.yaml and secure.yaml there. */
export function loadYaml(text: string, drivers: readonly DriverConfigDefinition[], secure?: string): Loaded {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-config-'));
  try {
    const path = join(directory, 'nodepool.yaml');
    writeFileSync(path, text);
    const securePath = secure === undefined ? undefined : join(directory, 'secure.yaml');
    if (secure !== undefined && securePath !== undefined) writeFileSync(securePath, secure);
    return loadConfig({ path, securePath, env: {}, drivers: new Map(drivers.map((d) => [d.name, d])) });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
