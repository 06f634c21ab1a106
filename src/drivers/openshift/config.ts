/** Configuration of the openshift driver: projects, and pods in projects of their own. */
import { commonProviderKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { unlisted } from '../../config/remarks.ts';
import { shapedBy } from '../../config/rules.ts';
import { closed, int, list, str } from '../../config/schema.ts';
import {
  anyLabelKeys,
  familyPoolKeys,
  familyProviderKeys,
  generatedPodKeys,
  imageKey,
  imagePullSecrets,
  loadFamily,
  specKeys,
} from '../kubernetes-family/config.ts';

const name = 'openshift';

const type = str().describe(
  '`pod`: the node is a pod in a project; `project` (as anything else is taken for): a project.',
);

const label = shapedBy(
  'spec',
  closed({ ...anyLabelKeys, type, ...specKeys }),
  closed({
    ...anyLabelKeys,
    type,
    image: imageKey.optional(),
    'image-pull-secrets': imagePullSecrets,
    ...generatedPodKeys,
  }),
);

const provider = closed({
  ...commonProviderKeys(name),
  context: str().describe('Context of the client configuration.'),
  ...familyProviderKeys,
  'max-projects': int().optional().describe('Most nodes of a pool that has no max-servers. Default: no limit.'),
  'max-servers': unlisted(int().optional(), 'The same as max-projects, which goes before it.'),
  pools: list(
    closed({
      ...familyPoolKeys,
      labels: list(label).describe('What the pool can launch.'),
    }),
  ).describe('Pools of nodes.'),
});

export const openshiftConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) =>
    loadFamily(
      p,
      {
        podsShareProject: false,
        kindOf: (type) => (type === 'pod' ? 'pod' : 'project'),
        maxServers: p['max-projects'] ?? p['max-servers'],
      },
      context,
    ),
});
