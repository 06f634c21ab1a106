/**
 * Values that drivers format from the request (`dynamic-tags`, `dynamic-instance-properties`, `dynamic-labels`):
 * `{request.tenant_name}`, with `[key]` for a member and `{{`, `}}` for braces (spec: launcher 5.6).
 */
import type { RequestView } from './contract.ts';
import type { Logger } from '../base/logger.ts';
import type { OwnErrorCode } from '../base/error-codes.ts';

export class RequestFormatError extends Error {
  readonly code = 'request-format' satisfies OwnErrorCode;
}

const attributes: Readonly<Record<string, (request: RequestView) => unknown>> = {
  id: (r) => r.id,
  labels: (r) => r.labels,
  requestor: (r) => r.requestor,
  requestor_data: (r) => r.requestorData,
  relative_priority: (r) => r.relativePriority,
  event_id: (r) => r.eventId,
  created_time: (r) => r.createdTime,
  tenant_name: (r) => r.tenantName,
};

const token = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;
const field = /^request\.(\w+)((?:\[[^\]]*\])*)$/;

/** Throws a RequestFormatError for what the template cannot mean. */
export function formatRequest(template: string, request: RequestView): string {
  return template.replace(token, (whole, inner: string | undefined) => {
    if (whole === '{{' || whole === '}}') return whole[0]!;
    if (inner === undefined) throw new RequestFormatError(`a single ${whole} in ${template}`);
    const match = field.exec(inner);
    const read = match && Object.hasOwn(attributes, match[1]!) ? attributes[match[1]!] : undefined;
    if (!match || !read) throw new RequestFormatError(`{${inner}} is no attribute of a request`);
    let value = read(request);
    for (const [, key] of match[2]!.matchAll(/\[([^\]]*)\]/g)) value = member(value, key!, inner);
    return text(value);
  });
}

/** All of them; one that cannot be formatted is left out and logged, the launch goes on. */
export function formatRequestValues(
  templates: Readonly<Record<string, unknown>>,
  request: RequestView | null,
  log: Logger,
): Record<string, string> {
  const values: Record<string, string> = {};
  if (!request) return values;
  for (const [key, template] of Object.entries(templates)) {
    try {
      values[key] = formatRequest(String(template), request);
    } catch (error) {
      log.warn({ requestId: request.id, key, template, err: error }, 'A dynamic value could not be formatted');
    }
  }
  return values;
}

function member(value: unknown, key: string, where: string): unknown {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, key)) {
    return (value as Readonly<Record<string, unknown>>)[key];
  }
  throw new RequestFormatError(`{${where}}: there is no ${key}`);
}

/** As operators know it from templates that were written for Python. */
function text(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'string') return value;
  if (Array.isArray(value))
    return `[${value.map((one) => (typeof one === 'string' ? `'${one}'` : text(one))).join(', ')}]`;
  return JSON.stringify(value);
}
