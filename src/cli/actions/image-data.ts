/** export-image-data, import-image-data: write builds, uploads and pause flags to a file and put them back. */
import { readFileSync, writeFileSync } from 'node:fs';
import { systemRuntime } from '../../base/runtime.ts';
import { exportImageData, importImageData } from '../../store/transactions/image-data.ts';
import { Images } from '../../store/transactions/images.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { UserError } from '../../base/user-error.ts';

export async function exportImages(globals: GlobalOptions, file: string): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const data = await exportImageData(client, new Images(client, systemRuntime));
    writeFileSync(file, JSON.stringify(data), { mode: 0o600 });
  });
}

export async function importImages(globals: GlobalOptions, file: string): Promise<void> {
  await withZooKeeper(globals, async (client) => importImageData(client, parsed(file, readFileSync(file, 'utf8'))));
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is no JSON: ${(error as Error).message}`, 1, error);
  }
}
