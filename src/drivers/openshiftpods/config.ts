/** Configuration of the openshiftpods driver: pods in projects that exist and have the names of the pools. */
import { commonProviderKeys } from '../../driver-kit/common-keys.ts';
import { defineDriverConfig } from '../../driver-kit/define-driver.ts';
import { ineffective, unlisted } from '../../config/remarks.ts';
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

const name = 'openshiftpods';

const label = shapedBy(
  'spec',
  closed({ ...anyLabelKeys, ...specKeys }),
  closed({ ...anyLabelKeys, image: imageKey, 'image-pull-secrets': imagePullSecrets, ...generatedPodKeys }),
);

const provider = closed({
  ...commonProviderKeys(name),
  context: str().describe('Context of the client configuration.'),
  ...familyProviderKeys,
  'max-pods': ineffective(int().optional(), 'the Python launcher does not read it; give the pools max-servers'),
  'max-projects': unlisted(int().optional(), 'Most nodes of a pool that has no max-servers.'),
  'max-servers': unlisted(int().optional(), 'The same as max-projects, which goes before it.'),
  pools: list(
    closed({
      ...familyPoolKeys,
      name: str().describe('Name, unique in the provider: that of an existing project, where the pods are.'),
      labels: list(label).describe('What the pool can launch.'),
    }),
  ).describe('Pools of nodes.'),
});

export const openshiftpodsConfig = defineDriverConfig({
  name,
  schema: provider,
  load: (p, context) =>
    loadFamily(
      p,
      { podsShareProject: true, kindOf: () => 'pod', maxServers: p['max-projects'] ?? p['max-servers'] },
      context,
    ),
});
