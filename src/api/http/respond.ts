/** Answers of a few words: refusals, failures, yes and no. They never repeat anything of the request, which may be foreign text. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { negotiate } from './accept.ts';
import { pythonJson } from '../../listings/python-text.ts';

export type Headers = Readonly<Record<string, string>>;

/** Headers of every answer. `nosniff`: a browser must not take the body for another type. */
const always: Headers = { 'X-Content-Type-Options': 'nosniff' };

export function send(response: ServerResponse, status: number, headers: Headers, body: string | Buffer): void {
  response.writeHead(status, { ...always, 'Content-Length': String(Buffer.byteLength(body)), ...headers });
  // node:http leaves the body out of the answer to HEAD.
  response.end(body);
}

export function sendText(response: ServerResponse, status: number, text: string, headers: Headers = {}): void {
  send(response, status, { 'Content-Type': 'text/plain; charset=UTF-8', ...headers }, text);
}

const explanations: Readonly<Record<number, readonly [title: string, message: string]>> = {
  404: ['Not Found', 'The resource could not be found.'],
  405: ['Method Not Allowed', 'Only GET and HEAD are answered.'],
  414: ['URI Too Long', 'The address is too long.'],
  503: ['Service Unavailable', 'The server is currently unavailable. Please try again at a later time.'],
};

export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: keyof typeof explanations,
  headers: Headers = {},
): void {
  const [title, message] = explanations[status]!;
  const code = `${status} ${title}`;
  if (negotiate(request.headers.accept) === 'json') {
    const body = pythonJson({ message, code, title });
    return send(response, status, { 'Content-Type': 'application/json', ...headers }, body);
  }
  sendText(response, status, `${code}\n\n${message}\n`, headers);
}
