/** How far a pod has come, by its status. */
import { fields, items, type KubeObject, text } from './objects.ts';

export type PodCondition =
  /** Its containers have started. */
  | { readonly kind: 'running'; readonly machine: string | null }
  /** It may still come up. */
  | { readonly kind: 'pending'; readonly why: string; readonly unschedulable: boolean }
  | { readonly kind: 'failed'; readonly why: string };

/** Reasons for waiting that time does not heal. A missing image or secret may still come. */
const hopeless = new Set(['ErrImageNeverPull', 'InvalidImageName']);

export function podCondition(pod: KubeObject): PodCondition {
  const status = fields(pod.body['status']);
  const spec = fields(pod.body['spec']);
  const phase = text(status['phase']) || 'Pending';
  if (pod.terminating) return { kind: 'failed', why: 'somebody deletes it' };
  if (phase === 'Running') return { kind: 'running', machine: text(spec['nodeName']) || null };
  const waiting = [...items(status['initContainerStatuses']), ...items(status['containerStatuses'])]
    .map((container) => fields(fields(fields(container)['state'])['waiting']))
    .map((state) => ({ reason: text(state['reason']), message: text(state['message']) }))
    .filter(({ reason }) => reason !== '' && reason !== 'ContainerCreating' && reason !== 'PodInitializing');
  const said = waiting.map(({ reason, message }) => (message ? `${reason}: ${message}` : reason)).join('; ');
  if (phase === 'Failed' || phase === 'Succeeded') {
    return {
      kind: 'failed',
      why: [`its phase is ${phase}`, text(status['reason']), text(status['message']), said].filter(Boolean).join(': '),
    };
  }
  if (waiting.some(({ reason }) => hopeless.has(reason))) return { kind: 'failed', why: said };
  const scheduled = items(status['conditions'])
    .map(fields)
    .find((condition) => condition['type'] === 'PodScheduled');
  const unschedulable = scheduled?.['status'] === 'False';
  const why = unschedulable ? `${text(scheduled['reason'])}: ${text(scheduled['message'])}` : said;
  return { kind: 'pending', why: why || `its phase is ${phase}`, unschedulable };
}
