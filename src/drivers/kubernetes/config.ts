/** Configuration of the kubernetes driver: namespaces, and pods in namespaces of their own. */
import { commonProviderKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { ineffective } from '../../config/remarks.ts';
import { shapedBy } from '../../config/rules.ts';
import { closed, int, list, str } from '../../config/schema.ts';
import {
  anyLabelKeys,
  familyPoolKeys,
  familyProviderKeys,
  generatedPodKeys,
  imageKey,
  loadFamily,
  specKeys,
} from '../kubernetes-family/config.ts';

const name = 'kubernetes';

const type = str().describe(
  '`namespace`: the node is a namespace; `pod` (as anything else is taken for): a pod in one.',
);

const label = shapedBy(
  'spec',
  closed({ ...anyLabelKeys, type, ...specKeys }),
  closed({ ...anyLabelKeys, type, image: imageKey.optional(), ...generatedPodKeys }),
);

const provider = closed({
  ...commonProviderKeys(name),
  context: str().optional().describe('Context of the client configuration. Default: the current one.'),
  ...familyProviderKeys,
  'max-servers': ineffective(int().optional(), 'pools of this driver do not fall back to it, as in Python'),
  pools: list(
    closed({
      ...familyPoolKeys,
      labels: list(label).describe('What the pool can launch.'),
    }),
  ).describe('Pools of nodes.'),
});

export const kubernetesConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) =>
    loadFamily(
      p,
      {
        podsShareProject: false,
        kindOf: (type) => (type === 'namespace' ? 'namespace' : 'pod'),
        maxServers: undefined,
      },
      context,
    ),
});
