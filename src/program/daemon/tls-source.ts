/** The certificates with which a daemon goes to ZooKeeper, over the time of the process; tells of what is wrong with them. */
import type { NodepoolConfig, TlsFiles } from '../../config/model.ts';
import type { Logger } from '../../base/logger.ts';
import type { Trouble } from '../../base/trouble.ts';
import type { Runtime } from '../../base/runtime.ts';
import { TlsFileError, TlsFileWatch, type TlsMaterial } from '@nodepool/zookeeper';
import { UserError } from '../../base/user-error.ts';

const dayMs = 86_400_000;
/** Time enough for somebody to look after the renewal that has not come. */
const warnBeforeMs = 3 * dayMs;

export class TlsSource {
  private readonly runtime: Runtime;
  private readonly watch: TlsFileWatch;

  /** null where ZooKeeper is reached without TLS. Throws UserError. */
  static of(current: () => NodepoolConfig, runtime: Runtime, log: Logger): TlsSource | null {
    const first = current().zookeeper.tls;
    if (!first) return null;
    try {
      return new TlsSource(() => current().zookeeper.tls ?? first, runtime, log);
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      throw new UserError(`zookeeper-tls${error.file === null ? '' : `.${error.file}`}: ${error.message}`, 1, error);
    }
  }

  private constructor(files: () => TlsFiles, runtime: Runtime, log: Logger) {
    this.runtime = runtime;
    this.watch = new TlsFileWatch({
      files,
      runtime,
      onRenewed: ({ expiresMs }) =>
        log.info(
          { expires: new Date(expiresMs).toISOString() },
          'Renewed certificates for ZooKeeper are used from the next connection on',
        ),
      onProblem: (problem) =>
        log.error({ problem }, 'The new certificates for ZooKeeper are refused, the old ones stay in use'),
    });
  }

  get material(): TlsMaterial {
    return this.watch.current;
  }

  *troubles(): Iterable<Trouble> {
    const { problem, expiresMs } = this.watch;
    if (problem) {
      yield {
        key: 'zookeeper-tls: refused',
        severity: 'warning',
        what: 'the certificate files for ZooKeeper are refused, older ones are in use',
        why: problem.problem,
        sinceMs: problem.sinceMs,
        hint: 'put files there that belong together; they are taken by themselves',
        said: true,
      };
    }
    const leftMs = expiresMs - this.runtime.nowMs();
    if (leftMs < warnBeforeMs) {
      const over = leftMs < 0;
      yield {
        key: 'zookeeper-tls: expires',
        severity: over ? 'critical' : 'warning',
        what: `the certificate for ZooKeeper ${over ? 'has ended' : 'ends soon'}`,
        why: `it is good until ${new Date(expiresMs).toISOString()}`,
        sinceMs: null,
        hint: 'renew it in its place: it is taken without a restart. Without it the next connection fails',
      };
    }
  }

  close(): void {
    this.watch.close();
  }
}
