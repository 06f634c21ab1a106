/** The map of drivers. Their configuration is always known, their code is loaded when a provider uses it. */
import type { DriverConfigDefinition, NodepoolConfig, ProviderConfig } from '../config/model.ts';
import { awsConfig } from './aws/config.ts';
import { azureConfig } from './azure/config.ts';
import { fakeConfig } from './fake/config.ts';
import { gceConfig } from './gce/config.ts';
import { ibmvpcConfig } from './ibmvpc/config.ts';
import { kubernetesConfig } from './kubernetes/config.ts';
import { metastaticConfig } from './metastatic/config.ts';
import { openshiftConfig } from './openshift/config.ts';
import { openshiftpodsConfig } from './openshiftpods/config.ts';
import { openstackConfig } from './openstack/config.ts';
import { staticConfig } from './static/config.ts';
import type { Adapter, BackingNodes, Driver } from '../driver-kit/contract.ts';
import { ProviderError } from '../driver-kit/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';

interface Entry {
  readonly config: DriverConfigDefinition;
  /** Absent: the driver is not built yet; its providers are checked, and do not start. */
  readonly load?: () => Promise<{ readonly driver: Driver }>;
}

/** Every driver, once: a new one is added here and nowhere else. */
const catalogue: readonly Entry[] = [
  { config: awsConfig },
  { config: azureConfig },
  { config: fakeConfig, load: () => import('./fake/index.ts') },
  { config: gceConfig },
  { config: ibmvpcConfig },
  { config: kubernetesConfig, load: () => import('./kubernetes/index.ts') },
  { config: metastaticConfig, load: () => import('./metastatic/index.ts') },
  { config: openshiftConfig, load: () => import('./openshift/index.ts') },
  { config: openshiftpodsConfig, load: () => import('./openshiftpods/index.ts') },
  { config: openstackConfig },
  { config: staticConfig, load: () => import('./static/index.ts') },
];

const byName: ReadonlyMap<string, Entry> = new Map(catalogue.map((entry) => [entry.config.name, entry]));

export const isBuilt = (driver: string): boolean => byName.get(driver)?.load !== undefined;

export const driverDefinitions: ReadonlyMap<string, DriverConfigDefinition> = new Map(
  [...byName].map(([name, { config }]) => [name, config]),
);

/** In words, the providers that this program leaves to others. */
export function notBuilt(config: NodepoolConfig): string[] {
  return [...config.providers.values()]
    .filter(({ driver }) => !isBuilt(driver))
    .map(
      ({ name, driver }) => `provider ${name}: the driver ${driver} is not built yet; it is left to other launchers`,
    );
}

/** Without providers that no launcher of this kind can serve. */
export function servable(config: NodepoolConfig): NodepoolConfig {
  return { ...config, providers: new Map([...config.providers].filter(([, { driver }]) => isBuilt(driver))) };
}

export async function createAdapter(
  provider: ProviderConfig,
  runtime: Runtime,
  log: Logger,
  backing?: () => BackingNodes,
): Promise<Adapter> {
  const load = byName.get(provider.driver)?.load;
  if (!load) throw new ProviderError('permanent', `driver ${provider.driver} is not built yet`);
  const { driver } = await load();
  return driver.createAdapter({ provider, runtime, log, env: process.env, ...(backing ? { backing } : {}) });
}
