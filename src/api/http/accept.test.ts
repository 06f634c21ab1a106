import { expect, it } from 'vitest';
import { negotiate } from './accept.ts';

it.each([
  [undefined, 'text'],
  ['', 'text'],
  ['*/*', 'text'],
  ['application/json', 'json'],
  ['APPLICATION/JSON', 'json'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text'],
  ['application/json, text/plain, */*', 'text'],
  ['application/json, text/plain;q=0.9', 'json'],
  ['text/html;q=0.5, application/*', 'json'],
  ['text/html;q=0, text/plain;q=0, */*', 'json'],
  ['text/html;level=1, application/json;q=0.1', 'json'],
  ['image/png', null],
  ['application/json;q=0', null],
  ['what is this', 'text'],
])('Accept: %s gives %s', (header, format) => {
  expect(negotiate(header)).toBe(format);
});
