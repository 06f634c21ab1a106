/** What can go wrong with a call, one class a reason. `code` is stable; messages are for people. */
import { errorCode } from '../protocol/constants.ts';
import { clientErrors, type ZooKeeperErrorCode } from '../protocol/error-catalogue.ts';
import type { MultiResult } from './types.ts';

export class ZooKeeperError extends Error {
  readonly code: ZooKeeperErrorCode;
  readonly path: string | undefined;
  /** The same call may succeed later without anybody changing anything. */
  readonly retriable: boolean;

  constructor(
    code: ZooKeeperErrorCode,
    message: string,
    details: { readonly path?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.path = details.path;
    this.retriable = isOwn(code) && clientErrors[code].retriable;
  }
}

export class NoNodeError extends ZooKeeperError {}
export class NodeExistsError extends ZooKeeperError {}
export class BadVersionError extends ZooKeeperError {}
export class NotEmptyError extends ZooKeeperError {}
export class NoChildrenForEphemeralsError extends ZooKeeperError {}
export class NoAuthError extends ZooKeeperError {}
/** The server refuses the credentials themselves. */
export class AuthFailedError extends ZooKeeperError {}
export class BadArgumentsError extends ZooKeeperError {}
/** The server answered with an error that has no class of its own. */
export class ServerError extends ZooKeeperError {}

/** The connection broke while the call was under way: a write may have happened or not. */
export class ConnectionLossError extends ZooKeeperError {
  constructor(path?: string, cause?: unknown) {
    super('connection-loss', `connection lost while the call was under way${at(path)}`, { path, cause });
  }
}

export class SessionExpiredError extends ZooKeeperError {
  constructor(path?: string) {
    super('session-expired', `the session has expired${at(path)}`, { path });
  }
}

export class DeadlineExceededError extends ZooKeeperError {
  constructor(timeoutMs: number, path?: string, reason = '') {
    super('deadline', `no answer within ${timeoutMs} ms${at(path)}${reason ? `; ${reason}` : ''}`, { path });
  }
}

export class ClosedError extends ZooKeeperError {
  constructor(path?: string) {
    super('closed', `the client is closed${at(path)}`, { path });
  }
}

/** More calls are waiting than the client is allowed to hold. */
export class OverloadError extends ZooKeeperError {
  constructor(limit: number) {
    super('overload', `${limit} calls are waiting already`);
  }
}

/** A multi that was refused as a whole. */
export class MultiError extends ZooKeeperError {
  /** Which operation failed. */
  readonly index: number;
  /** Why. */
  readonly error: ZooKeeperError;
  /** Always empty: a failed multi leaves nothing behind. */
  readonly results: readonly MultiResult[] = [];

  constructor(index: number, error: ZooKeeperError) {
    super('multi', `operation ${index} of the multi failed: ${error.message}`, { path: error.path, cause: error });
    this.index = index;
    this.error = error;
  }
}

/** False for the server's numbers that have no code here: nobody knows whether trying again helps. */
const isOwn = (code: ZooKeeperErrorCode): code is keyof typeof clientErrors => Object.hasOwn(clientErrors, code);

const at = (path: string | undefined) => (path === undefined ? '' : ` (${path})`);

export function errorOf(code: number, path?: string): ZooKeeperError {
  const o = { path };
  switch (code) {
    case errorCode.noNode:
      return new NoNodeError('no-node', `no such node${at(path)}`, o);
    case errorCode.nodeExists:
      return new NodeExistsError('node-exists', `the node exists already${at(path)}`, o);
    case errorCode.badVersion:
      return new BadVersionError('bad-version', `the version has changed${at(path)}`, o);
    case errorCode.notEmpty:
      return new NotEmptyError('not-empty', `the node has children${at(path)}`, o);
    case errorCode.noChildrenForEphemerals:
      return new NoChildrenForEphemeralsError(
        'no-children-for-ephemerals',
        `ephemeral nodes have no children${at(path)}`,
        o,
      );
    case errorCode.noAuth:
      return new NoAuthError('no-auth', `not allowed${at(path)}`, o);
    case errorCode.authFailed:
      return new AuthFailedError('auth-failed', 'the server refuses the credentials', o);
    case errorCode.badArguments:
    case errorCode.marshallingError:
      return new BadArgumentsError('bad-arguments', `the server refuses the arguments${at(path)}`, o);
    case errorCode.sessionExpired:
      return new SessionExpiredError(path);
    case errorCode.connectionLoss:
      return new ConnectionLossError(path);
    default:
      return new ServerError(`server-${code}`, `the server answered with error ${code}${at(path)}`, o);
  }
}
