/** Runs the command line within a test's process, with what it prints caught. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
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

/** Gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function configFile(directory: string, text: string): string {
  const file = join(directory, 'nodepool.yaml');
  writeFileSync(file, text);
  return file;
}
