/**
 * Certificate, key and CA in files that are renewed in place: looked at every few seconds, and taken only when they fit
 * together, so that a renewal that is half done or broken keeps the old ones in force.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ownErrors } from '../protocol/error-catalogue.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
  /** End of the certificate, milliseconds since the epoch. */
  readonly expiresMs: number;
}

type ReadFile = (path: string) => Buffer;

export class TlsFileError extends Error {
  readonly code = 'tls-files' satisfies keyof typeof ownErrors;
  /** Which one; null: they do not fit together. */
  readonly file: keyof TlsFiles | null;

  constructor(file: keyof TlsFiles | null, message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'TlsFileError';
    this.file = file;
  }
}

/** Throws TlsFileError. */
export function readTlsFiles(files: TlsFiles, readFile: ReadFile = readFileSync): TlsMaterial {
  const step = <T>(file: keyof TlsFiles | null, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const what = file === null ? `${files.cert} and ${files.key} don't fit together` : `${files[file]} can't be used`;
      throw new TlsFileError(file, `${what}: ${(error as Error).message}`, error);
    }
  };
  const [cert, key, ca] = (['cert', 'key', 'ca'] as const).map((file) => step(file, () => readFile(files[file])));
  const { validTo } = step('cert', () => new X509Certificate(cert!));
  step('ca', () => new X509Certificate(ca!));
  step(null, () => createSecureContext({ cert, key, ca }));
  return { cert: cert!, key: key!, ca: ca!, expiresMs: Date.parse(validTo) };
}

export interface TlsFileWatchOptions {
  /** Asked at each look: a configuration may name other ones. */
  readonly files: () => TlsFiles;
  readonly runtime: Runtime;
  /** Other ones than before are in force. */
  readonly onRenewed: (material: TlsMaterial) => void;
  /** Told once of each reason why the files as they are now are not in force. */
  readonly onProblem: (problem: string) => void;
  readonly readFile?: ReadFile;
}

export interface TlsProblem {
  readonly problem: string;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
}

const lookMs = 5000;

export class TlsFileWatch {
  private readonly options: TlsFileWatchOptions;
  private inForce: TlsMaterial;
  private stamp: string;
  private refused: TlsProblem | null = null;
  private timer: Timer | null = null;
  private closed = false;

  /** Reads for the first time; throws TlsFileError. */
  constructor(options: TlsFileWatchOptions) {
    this.options = options;
    this.stamp = stampOf(options.files());
    this.inForce = readTlsFiles(options.files(), options.readFile);
    this.arm();
  }

  /** The latest that can be used. Looks itself: who connects after a renewal gets the new ones. */
  get current(): TlsMaterial {
    this.look();
    return this.inForce;
  }

  /** Why the files as they are now are not in force. */
  get problem(): TlsProblem | null {
    return this.refused;
  }

  get expiresMs(): number {
    return this.inForce.expiresMs;
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  private arm(): void {
    this.timer = this.options.runtime.setBackgroundTimer(lookMs, () => {
      if (this.closed) return;
      this.look();
      this.arm();
    });
  }

  private look(): void {
    const files = this.options.files();
    const stamp = stampOf(files);
    // What is refused may be good the next time with the same stamp: a read that failed for lack of descriptors.
    if (stamp === this.stamp && this.refused === null) return;
    this.stamp = stamp;
    try {
      this.inForce = readTlsFiles(files, this.options.readFile);
    } catch (error) {
      const problem = (error as Error).message;
      const before = this.refused;
      this.refused = { problem, sinceMs: before?.sinceMs ?? this.options.runtime.monotonicMs() };
      if (before?.problem !== problem) this.options.onProblem(problem);
      return;
    }
    this.refused = null;
    this.options.onRenewed(this.inForce);
  }
}

/** Links are followed: what they point to is exchanged by some tools. Never throws: reading tells what is wrong. */
function stampOf(files: TlsFiles): string {
  return [files.cert, files.key, files.ca].map((path) => `${path} ${stateOf(path)}`).join('\n');
}

/** A right to read that is given late changes neither content nor `mtime`. */
function stateOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, mode, uid, gid } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs, mode, uid, gid].join(' ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
