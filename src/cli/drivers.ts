/** The map of drivers. Their configuration is always known, their code is loaded when a provider uses it. */
import type { DriverConfigDefinition, NodepoolConfig, ProviderConfig } from '../config/model.ts';
import { awsConfig } from '../drivers/aws/config.ts';
import { azureConfig } from '../drivers/azure/config.ts';
import { fakeConfig } from '../drivers/fake/config.ts';
import { gceConfig } from '../drivers/gce/config.ts';
import { ibmvpcConfig } from '../drivers/ibmvpc/config.ts';
import { kubernetesConfig } from '../drivers/kubernetes/config.ts';
import { metastaticConfig } from '../drivers/metastatic/config.ts';
import { openshiftConfig } from '../drivers/openshift/config.ts';
import { openshiftpodsConfig } from '../drivers/openshiftpods/config.ts';
import { openstackConfig } from '../drivers/openstack/config.ts';
import { staticConfig } from '../drivers/static/config.ts';
import type { Adapter, BackingNodes, Driver } from '../provider/adapter.ts';
import { PermanentError } from '../provider/errors.ts';
import type { Logger } from '../provider/logger.ts';
import type { Runtime } from '../runtime.ts';

const load: Readonly<Record<string, () => Promise<{ driver: Driver }>>> = {
  fake: () => import('../drivers/fake/index.ts'),
  kubernetes: () => import('../drivers/kubernetes/index.ts'),
  metastatic: () => import('../drivers/metastatic/index.ts'),
  openshift: () => import('../drivers/openshift/index.ts'),
  openshiftpods: () => import('../drivers/openshiftpods/index.ts'),
  static: () => import('../drivers/static/index.ts'),
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
  if (!entry) throw new PermanentError(`driver ${provider.driver} is not built yet`);
  const { driver } = await entry();
  return driver.createAdapter({ provider, runtime, log, env: process.env, ...(backing ? { backing } : {}) });
}
