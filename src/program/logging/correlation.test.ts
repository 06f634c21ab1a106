import { expect, it } from 'vitest';
import { newNode } from '../../records/node.ts';
import { newRequest } from '../../records/request.ts';
import { Correlation, type Records } from './correlation.ts';

function records(): Records {
  const node = newNode({ state: 'in-use', allocatedTo: '100-1' }, 0);
  const request = newRequest({ eventId: 'e1' }, 0);
  const onChange = () => () => undefined;
  return {
    nodes: { get: (id: string) => (id === '1' ? { node } : undefined), onChange },
    requests: { get: (id: string) => (id === '100-1' ? { request } : undefined), onChange },
  } as unknown as Records;
}

it.each([
  { nodeId: '1' },
  { key: '1' },
  { nodeId: '1', requestId: null, eventId: null },
  { key: '1', nodeId: undefined },
])('completes the ids of %j', (fields) => {
  const said: object[] = [];
  const say = (line: object) => void said.push(line);
  const log = new Correlation(records()).of({ debug: say, info: say, warn: say, error: say });
  log.info(fields, 'x');
  expect(said).toEqual([{ ...fields, nodeId: '1', requestId: '100-1', eventId: 'e1' }]);
});

it('finds nothing for what is not known, and leaves what is said', () => {
  const said: object[] = [];
  const say = (line: object) => void said.push(line);
  const log = new Correlation(records()).of({ debug: say, info: say, warn: say, error: say });
  log.info({ nodeId: '2', requestId: null }, 'x');
  expect(said).toEqual([{ nodeId: '2', requestId: null }]);
});
