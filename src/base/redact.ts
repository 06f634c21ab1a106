/** Takes secrets out of what is about to be logged, by the names of the fields that hold them. */
const secretName = /passw(?:or)?d|passphrase|token|secret|authorization|credential|private_?key|api_?key/i;
/** A number for ssh; for the Kubernetes family an object with a token. */
const portName = /^connection_?port$/i;
/** In running text: what stands after such a name, in a URL before its host, or after `Bearer`. */
const secretText: readonly (readonly [RegExp, string])[] = [
  // Bounded, so that long texts take no square of their length.
  [/\/\/[^/\s]{1,256}@/g, '//[redacted]@'],
  // A password with a slash in it; a port with a path behind it is none.
  [/\/\/[^/\s@:]{1,256}:(?!\d{1,5}\/)[^\s"']{1,256}@/g, '//[redacted]@'],
  [/([?&;]sig=)[^\s"'&]+/gi, '$1[redacted]'],
  [
    /(authorization["']?\s*[=:]\s*["']?(?:(?:basic|bearer|token|digest|negotiate|apikey)\s+)?)[^\s"',;]+/gi,
    '$1[redacted]',
  ],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 [redacted]'],
  [
    /((?:passw(?:or)?d|passphrase|token|secret|signature|credentials?|(?:private|api|access)[_-]?key(?:[_-]?id)?)["']?\s*[=:]\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"'&,;]+)/gi,
    '$1[redacted]',
  ],
  [/-----BEGIN [^-]*PRIVATE KEY-----[^]*/g, '[redacted]'],
];
const redacted = '[redacted]';
const deepest = 5;

/** A copy without secrets; errors are left to the logger, which prints their message and stack only. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.includes('PRIVATE KEY-----') ? redacted : withoutSecrets(value);
  // JSON has no 64-bit numbers: zxids and session ids are kept to the digit.
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth > deepest) return redacted;
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const hide = secretName.test(key) || (portName.test(key) && typeof item === 'object' && item !== null);
    copy[key] = hide ? redacted : redact(item, depth + 1);
  }
  return copy;
}

/** For words that others have written, where they go to a place that many can read. */
export function withoutSecrets(text: string): string {
  return secretText.reduce((left, [pattern, replacement]) => left.replace(pattern, replacement), text);
}
