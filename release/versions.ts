/** Version numbers: their order, and the places of the repository that name one. */
import { readFileSync, writeFileSync } from 'node:fs';

const pattern = /^(\d+)\.(\d+)\.(\d+)(?:-([a-z]+)\.(\d+))?$/;
const library = '@nodepool/zookeeper';

export const versionFiles = ['package.json', 'packages/zookeeper/package.json', 'package-lock.json'] as const;

interface Manifest {
  version: string;
  dependencies?: Record<string, string>;
}

interface Lock extends Manifest {
  packages: Record<string, Manifest>;
}

/** `12.0.0`, or `12.0.0-rc.1` for one before it. */
export const isVersion = (text: string): boolean => pattern.test(text);

/** Whether `one` comes after `other`. What leads to a version comes before it: alpha, beta, rc, by their names. */
export function isLater(one: string, other: string): boolean {
  const [a, b] = [partsOf(one), partsOf(other)];
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && a[at]! > b[at]!;
}

function partsOf(version: string): (number | string)[] {
  const match = pattern.exec(version);
  if (!match) throw new Error(`${version} is no version`);
  const [, major, minor, patch, stage = '~', count = '0'] = match;
  // '~' comes after all letters: the version itself follows everything that leads to it.
  return [Number(major), Number(minor), Number(patch), stage, Number(count)];
}

export const versionOf = (root: string): string => read<Manifest>(`${root}/package.json`).version;

/** Both packages get the version, the dependency between them too, and the lock file knows of it. */
export function writeVersion(root: string, version: string): void {
  const [nodepool, zookeeper, lock] = versionFiles.map((file) => `${root}/${file}`) as [string, string, string];
  change<Manifest>(nodepool, (manifest) => nameVersion(manifest, version));
  change<Manifest>(zookeeper, (manifest) => nameVersion(manifest, version));
  change<Lock>(lock, (file) => {
    file.version = version;
    for (const name of ['', 'packages/zookeeper']) nameVersion(file.packages[name]!, version);
  });
}

function nameVersion(manifest: Manifest, version: string): void {
  manifest.version = version;
  if (manifest.dependencies?.[library] !== undefined) manifest.dependencies[library] = version;
}

const read = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;

function change<T>(file: string, edit: (content: T) => void): void {
  const content = read<T>(file);
  edit(content);
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
