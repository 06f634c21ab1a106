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

const load: Readonly<Record<string, () => Promise<{ driver: Driver }>>> = {
  fake: () => import('./fake/index.ts'),
  kubernetes: () => import('./kubernetes/index.ts'),
  metastatic: () => import('./metastatic/index.ts'),
  openshift: () => import('./openshift/index.ts'),
  openshiftpods: () => import('./openshiftpods/index.ts'),
  static: () => import('./static/index.ts'),
};

/** Others are checked, and their providers do not start. */
export const isBuilt = (driver: string): boolean => Object.hasOwn(load, driver);

export const driverDefinitions: ReadonlyMap<string, DriverConfigDefinition> = new Map(
  [
    awsConfig,
    azureConfig,
    fakeConfig,
    gceConfig,
    ibmvpcConfig,
    kubernetesConfig,
    metastaticConfig,
    openshiftConfig,
    openshiftpodsConfig,
    openstackConfig,
    staticConfig,
  ].map((definition) => [definition.name, definition]),
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
  const entry = load[provider.driver];
  if (!entry) throw new ProviderError('permanent', `driver ${provider.driver} is not built yet`);
  const { driver } = await entry();
  return driver.createAdapter({ provider, runtime, log, env: process.env, ...(backing ? { backing } : {}) });
}
