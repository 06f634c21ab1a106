/** Labels and annotations of what is made for a node, and reading from them whose it is (spec: driver-kubernetes §5). */
import { formatRequestValues } from '../../driver-kit/request-format.ts';
import type { LaunchSpec } from '../../driver-kit/contract.ts';
import type { Logger } from '../../base/logger.ts';
import type { KubeObject } from './objects.ts';
import type { FamilyLabelSettings } from './config.ts';

/** Tells the creation whose answer was lost from an object that somebody else made under the same name. */
export const launchAnnotation = 'nodepool/launch';
/** OpenShift takes no labels for a new project, but it keeps its description. */
const descriptionAnnotation = 'openshift.io/description';
const descriptionPrefix = 'Nodepool ';

export interface NodeMark {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The fixed ones win over the dynamic ones, those over the configured. */
export function nodeMark(spec: LaunchSpec, settings: FamilyLabelSettings, launch: string, log: Logger): NodeMark {
  return {
    labels: {
      ...scalars(settings.labels),
      ...validOnly(formatRequestValues(settings.dynamicLabels, spec.request, log), spec, log),
      ...spec.metadata,
      nodepool_node_label: spec.label.name,
      nodepool_attempt: String(spec.attempt),
    },
    annotations: { [launchAnnotation]: launch },
  };
}

/** Text of a project's description that `ownMetadata` reads again. */
export function descriptionOf({ labels, annotations }: NodeMark): string {
  const own = Object.entries(labels).filter(([key]) => key.startsWith('nodepool_'));
  return descriptionPrefix + JSON.stringify({ ...Object.fromEntries(own), ...annotations });
}

/** Everything that Nodepool has written on the object; empty for an object of others. */
export function ownMetadata({ labels, annotations }: KubeObject): Readonly<Record<string, string>> {
  const launch = annotations[launchAnnotation];
  const marks = { ...labels, ...(launch === undefined ? {} : { [launchAnnotation]: launch }) };
  const own = { ...described(annotations[descriptionAnnotation]), ...marks };
  return Object.fromEntries(
    Object.entries(own).filter(([key]) => key.startsWith('nodepool_') || key === launchAnnotation),
  );
}

export const scalars = (values: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );

function described(description: string | undefined): Record<string, string> {
  if (!description?.startsWith(descriptionPrefix)) return {};
  try {
    const read: unknown = JSON.parse(description.slice(descriptionPrefix.length));
    if (typeof read !== 'object' || read === null) return {};
    return Object.fromEntries(
      Object.entries(read).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  } catch {
    return {};
  }
}

const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** What a request brings must not make every launch fail. */
function validOnly(
  values: Readonly<Record<string, string>>,
  { nodeId }: LaunchSpec,
  log: Logger,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter(([key, value]) => {
      if (labelValue.test(value)) return true;
      log.warn({ nodeId, key, value }, 'A dynamic label is left out: no valid label value');
      return false;
    }),
  );
}
