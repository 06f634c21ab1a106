/**
 * Every error code of the library, in one place: what it means, whether the same call may succeed later without anybody
 * changing anything, and what to do. The classes take their codes from here by type, so that an unknown code does not
 * compile. The wire's own numbers are in constants.ts.
 */
interface ErrorEntry {
  readonly meaning: string;
  readonly retriable: boolean;
  readonly remedy: string;
}

/** Of ZooKeeperError and its classes: a call that was not done, or of which nobody knows. */
export const clientErrors = {
  'no-node': {
    meaning: 'The znode does not exist.',
    retriable: false,
    remedy: 'Somebody else deleted it, or the path is wrong: read the parent again.',
  },
  'node-exists': {
    meaning: 'There is such a znode already.',
    retriable: false,
    remedy: 'Use the one that is there, or another path.',
  },
  'bad-version': {
    meaning: 'The znode has changed since the version that the write names.',
    retriable: false,
    remedy: 'Read the znode again, decide again, write with its new version.',
  },
  'not-empty': {
    meaning: 'The znode has children, so it cannot be deleted.',
    retriable: false,
    remedy: 'Delete the children first.',
  },
  'no-children-for-ephemerals': {
    meaning: 'The parent is an ephemeral znode, which can have no children.',
    retriable: false,
    remedy: 'Create it under a persistent znode.',
  },
  'no-auth': {
    meaning: 'The access list of the znode does not allow the call.',
    retriable: false,
    remedy: 'Connect with credentials that the access list names, or change the list.',
  },
  'auth-failed': {
    meaning: 'The server refuses the credentials themselves.',
    retriable: false,
    remedy: 'Correct scheme and credentials.',
  },
  'bad-arguments': {
    meaning: 'The library or the server refuses what the call was given, for example a path.',
    retriable: false,
    remedy: 'Correct what the message names.',
  },
  'connection-loss': {
    meaning: 'The connection broke while the call was under way. A write may have happened or not.',
    retriable: true,
    remedy: 'Look whether a write has happened before it is repeated. The client connects again by itself.',
  },
  'session-expired': {
    meaning: 'The session has ended; its ephemeral znodes and locks are gone.',
    retriable: false,
    remedy: 'Begin again what stood on the session. Look for long pauses of the process, or servers without a quorum.',
  },
  deadline: {
    meaning: 'There was no answer in time. A write may have happened or not.',
    retriable: true,
    remedy: 'Look whether a write has happened before it is repeated. Look at servers and network.',
  },
  closed: {
    meaning: 'The client is closed.',
    retriable: false,
    remedy: 'Nothing, where the program is ending.',
  },
  overload: {
    meaning: 'As many calls are waiting as the client may hold.',
    retriable: true,
    remedy: 'Make fewer calls at once, and try again when some have ended.',
  },
  multi: {
    meaning: 'A transaction was refused as a whole. The error tells which operation failed and why.',
    retriable: false,
    remedy: 'As for the code of that operation.',
  },
  'bad-answer': {
    meaning: "The server's answer cannot be read.",
    retriable: false,
    remedy: 'Look what answers at that address, and in which version.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** `server-N`: the server answered with a number of ZooKeeper's that has no code of its own here. */
export type ZooKeeperErrorCode = keyof typeof clientErrors | `server-${number}`;

/** Of CoordinatorError: what keeps the embedded server from starting. */
export const coordinatorErrors = {
  'in-use': {
    meaning: 'Another process uses the data directory.',
    retriable: false,
    remedy: 'End the process that the message names, or take another directory.',
  },
  'port-in-use': {
    meaning: 'The port cannot be opened.',
    retriable: false,
    remedy: 'Choose another port or address, or end whoever has it.',
  },
  'not-loopback': {
    meaning: 'A plain port would be open to other machines.',
    retriable: false,
    remedy: 'Listen on a loopback address, or use TLS.',
  },
  tls: {
    meaning: "The server's certificate files are missing, or do not fit together.",
    retriable: false,
    remedy: 'Correct the file that the message names.',
  },
  'data-dir': {
    meaning: 'The data directory cannot be used, or is damaged.',
    retriable: false,
    remedy: 'Correct owner and permissions; bring a damaged one back from a copy.',
  },
  disk: {
    meaning: 'Data cannot be written to the disk or read from it.',
    retriable: false,
    remedy: 'Make room, or mend the disk; then start again.',
  },
  'no-lmdb': {
    meaning: 'The package lmdb, which the embedded server stores with, is not installed or does not load.',
    retriable: false,
    remedy: 'Install it beside the library: npm install lmdb.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** Of classes with one code. */
export const ownErrors = {
  'tls-files': {
    meaning: 'Certificate, key and CA of a client cannot be read, or do not fit together.',
    retriable: false,
    remedy: 'Correct the file that the message names; it is looked at again.',
  },
  protocol: {
    meaning: 'The bytes are not what the protocol says.',
    retriable: false,
    remedy: 'Look what is at the other end: no ZooKeeper, or one without TLS on a port with it.',
  },
} as const satisfies Record<string, ErrorEntry>;
