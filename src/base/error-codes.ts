/**
 * Every error code of Nodepool, in one place: what it means, whether another attempt may succeed without anybody changing
 * anything, and what an operator does. The classes take their codes from here by type, so that an unknown code does not
 * compile. docs/reference/errors.md is made from it. The ZooKeeper library has a catalogue of its own.
 */
interface ErrorEntry {
  readonly meaning: string;
  readonly retriable: boolean;
  readonly remedy: string;
}

/** Of ProviderError: what a cloud or a host can answer. The launcher reacts differently to each. */
export const providerErrors = {
  quota: {
    meaning: "The account's quota refuses it. It does not count as a failed attempt.",
    retriable: true,
    remedy: 'Raise the quota, or lower the limits of the pool to what the account has.',
  },
  capacity: {
    meaning: 'The cloud has no such machines at the moment.',
    retriable: true,
    remedy: 'Nothing: other zones and pools are tried, with growing pauses. Add a zone or a type if it lasts.',
  },
  throttled: {
    meaning: 'The cloud asks for fewer calls.',
    retriable: true,
    remedy: 'Nothing: the provider pauses as long as the cloud asks. Lower `rate` if it lasts.',
  },
  timeout: {
    meaning: 'It took longer than its limit.',
    retriable: true,
    remedy: 'Look at the cloud; raise the limit that the message names where machines need longer to boot.',
  },
  'not-found': {
    meaning: 'The cloud does not know the instance or resource.',
    retriable: true,
    remedy: 'Nothing on a deletion. Otherwise look who else deletes in that account.',
  },
  conflict: {
    meaning: 'Something changed meanwhile, or the same thing exists already.',
    retriable: true,
    remedy: 'Nothing: it is tried again.',
  },
  permanent: {
    meaning: 'It cannot work until the configuration changes.',
    retriable: false,
    remedy: 'Correct the configuration as the message says.',
  },
  network: {
    meaning: 'There was no connection to the cloud or the instance.',
    retriable: true,
    remedy: 'Look at network, names and proxies between launcher and cloud.',
  },
  status: {
    meaning: 'The cloud made the instance and says that it is broken, or it refuses the values of the call.',
    retriable: true,
    remedy: "Look at the instance's fault in the cloud, and at the values of the label.",
  },
  keyscan: {
    meaning: "The instance's host keys could not be read.",
    retriable: true,
    remedy: 'Look whether sshd answers, from the launcher; see `host-key-checking` and `boot-timeout`.',
  },
  image: {
    meaning: 'The image is missing, or not ready.',
    retriable: true,
    remedy: 'Look at `nodepool image-list`, and at the images of the cloud.',
  },
  unknown: {
    meaning: 'None of the others.',
    retriable: true,
    remedy: 'Read the message; credentials that are refused are among these.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** Of classes with one code. */
export const ownErrors = {
  user: {
    meaning:
      'What was asked for cannot be done as it was asked: an option, a file, a name. Commands print the message alone.',
    retriable: false,
    remedy: 'Do what the message says.',
  },
  config: {
    meaning: 'The configuration has findings; each has its place.',
    retriable: false,
    remedy: '`nodepool config-validate` shows all of them. A running launcher keeps the last good configuration.',
  },
  'request-format': {
    meaning: 'A text with `{request.…}` in the configuration cannot be filled in.',
    retriable: false,
    remedy: 'Correct the placeholder; what is known of a request stands in the reference of the driver.',
  },
  'json-syntax': {
    meaning: 'A document in ZooKeeper is no JSON.',
    retriable: false,
    remedy: 'It is left alone and told of. Look with `nodepool doctor` who wrote it.',
  },
  'log-layout': {
    meaning: 'A format of log lines cannot be understood.',
    retriable: false,
    remedy: 'Write what the message proposes.',
  },
  'python-literal': {
    meaning: 'A value in a logging file of Python is no literal.',
    retriable: false,
    remedy: 'Write a plain value; Python code is not run.',
  },
  'not-looked-up': {
    meaning: 'The name of the statsd server is still being looked up, and too many datagrams wait for it.',
    retriable: true,
    remedy: "Look at the resolver, or give the server's address.",
  },
  'page-unavailable': {
    meaning: 'What a status page shows cannot be read just now; the answer is 503.',
    retriable: true,
    remedy: 'Look at the connection to ZooKeeper.',
  },
  'lock-lost': {
    meaning: 'A launcher has lost its session or the lock of a node, and stops working on it.',
    retriable: false,
    remedy: 'Nothing: another launcher, or this one with its new session, goes on.',
  },
  'tree-file': {
    meaning: 'A file of `coordinator-export` is damaged, or none.',
    retriable: false,
    remedy: 'Take another copy. The message names the line.',
  },
  'image-data': {
    meaning: 'A file of `export-image-data` is damaged, or none.',
    retriable: false,
    remedy: 'Take another copy.',
  },
  refused: {
    meaning: 'The pretended cloud of the driver `fake` refuses a call.',
    retriable: true,
    remedy: 'Nothing: it does so where it has been told to.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ProviderErrorCode = keyof typeof providerErrors;
/** The code of a class with one code. */
export type OwnErrorCode = keyof typeof ownErrors;
