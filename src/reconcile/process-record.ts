/** What a process says of itself in the component registry; pools complete it with what they are. */
import type { ComponentRecord } from '../records/component.ts';
import type { ProcessIdentity } from './process-health.ts';

export function processRecord(
  { hostname, version }: Pick<ProcessIdentity, 'hostname' | 'version'>,
  kind: ComponentRecord['kind'],
): ComponentRecord {
  return {
    kind,
    hostname,
    state: 'running',
    version,
    modelApi: 0,
    id: null,
    name: null,
    providerName: null,
    supportedLabels: [],
    priority: 100,
    paused: false,
  };
}
