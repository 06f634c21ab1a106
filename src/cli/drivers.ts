/** The map of drivers. Their configuration is always known, their code is loaded when a provider uses it. */
import type { DriverConfigDefinition, ProviderConfig } from '../config/model.ts';
import { fakeConfig } from '../drivers/fake/config.ts';
import { metastaticConfig } from '../drivers/metastatic/config.ts';
import { staticConfig } from '../drivers/static/config.ts';
import type { Adapter, BackingNodes, Driver } from '../provider/adapter.ts';
import { PermanentError } from '../provider/errors.ts';
import type { Logger } from '../provider/logger.ts';
import type { Runtime } from '../runtime.ts';

export const driverDefinitions: ReadonlyMap<string, DriverConfigDefinition> = new Map([
  ['fake', fakeConfig],
  ['metastatic', metastaticConfig],
  ['static', staticConfig],
]);

const load: Readonly<Record<string, () => Promise<{ driver: Driver }>>> = {
  fake: () => import('../drivers/fake/index.ts'),
  metastatic: () => import('../drivers/metastatic/index.ts'),
  static: () => import('../drivers/static/index.ts'),
};

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
