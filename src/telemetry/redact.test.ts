import { expect, test } from 'vitest';
import { withoutSecrets } from './redact.ts';

test.each([
  ['GET https://user:pa55@cloud.example/v3 failed', 'GET https://[redacted]@cloud.example/v3 failed'],
  ['Authorization: Bearer abcdefghijklmnop refused', 'Authorization: Bearer [redacted] refused'],
  ['login failed (password=hunter2, user=me)', 'login failed (password=[redacted], user=me)'],
  ['body {"api_key": "s e c", "a": 1}', 'body {"api_key": [redacted], "a": 1}'],
  ['?X-Amz-Signature=0123&x=1', '?X-Amz-Signature=[redacted]&x=1'],
  ['key is -----BEGIN RSA PRIVATE KEY-----\nMIIE', 'key is [redacted]'],
  ['the token has expired', 'the token has expired'],
  ['connect ECONNREFUSED 127.0.0.1:80', 'connect ECONNREFUSED 127.0.0.1:80'],
])('%s', (text, expected) => {
  expect(withoutSecrets(text)).toBe(expected);
});
