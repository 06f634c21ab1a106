/** The Python Nodepool's programs, started so that a busy machine does not keep them from connecting. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const interpreter = process.env['NODEPOOL_TEST_PYTHON'] ?? join(homedir(), '.cache/nodepool-ci/peer/bin/python');
const peer = fileURLToPath(new URL('../../partners/peer-suite/python_peer.py', import.meta.url));

/** Before anything else: a missing partner is a failure. */
export function pythonIsThere(): void {
  for (const needed of [interpreter, peer]) expect(existsSync(needed), `${needed} is needed`).toBe(true);
}

/** Command and first arguments. */
export const python = (program: 'cli' | 'launcher'): readonly [string, string, string] => [interpreter, peer, program];

/** The clouds of a Python provider with `driver: fake` and `cloud: fake`: a file, named by the environment. */
export const fakeClouds =
  'clouds: {fake: {auth: {auth_url: http://fake, username: fake, password: fake, project_name: fake}}}\n';
export const cloudsVariable = 'OS_CLIENT_CONFIG_FILE';
