/** The options of a client. */
import type { Logger } from '../contract/logger.ts';
import type { ServerAddress } from '../contract/types.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Connector, TlsOptions } from './session/transport.ts';

export interface ZooKeeperOptions {
  /** The members of the ensemble; they are tried in an order of the client's own. */
  readonly servers: readonly ServerAddress[];
  /** '' or '/path'; every path given and returned is below it. Default: ''. */
  readonly chroot?: string;
  /** How long the session outlives its connection. The server has the last word. Default: 10 s. */
  readonly sessionTimeoutMs?: number;
  /** Deadline of a call that names none. Default: 30 s. */
  readonly callTimeoutMs?: number;
  /** For one server; less where several must be tried within the session's time. Default: 10 s. */
  readonly connectTimeoutMs?: number;
  /** Asked at each connection. Without it the connection is plain TCP. */
  readonly tls?: () => TlsOptions | Promise<TlsOptions>;
  /** Another way to reach the server, e.g. within the process. */
  readonly connector?: Connector;
  /** Calls that are under way at a time; more of them wait. Default: 5000. */
  readonly maxInFlight?: number;
  /** Calls that may wait; more of them fail with OverloadError. Default: 200,000. */
  readonly maxWaiting?: number;
  /** Told of the session's states and of failed connections. Default: silent. */
  readonly log?: Logger;
  /** Told of exceptions in listeners, which are the user's, and of refused credentials. Default: they are logged. */
  readonly onError?: (error: unknown) => void;
  /** Clock, timers and randomness. Default: the machine's. */
  readonly runtime?: Runtime;
}
