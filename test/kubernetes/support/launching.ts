/** A launcher with the container drivers on a real API server, in the process of the test. */
import { afterEach, beforeEach, expect } from 'vitest';
import type { ProviderConfig } from '../../../src/config/model.ts';
import { driver as kubernetes } from '../../../src/drivers/kubernetes/index.ts';
import { driver as openshift } from '../../../src/drivers/openshift/index.ts';
import { driver as openshiftpods } from '../../../src/drivers/openshiftpods/index.ts';
import { Cluster, createAdapter, type CreateAdapter } from '../../../src/launcher/testing/cluster.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { systemRuntime } from '../../../src/base/runtime.ts';
import type { ApiProxy } from './api-proxy.ts';
import { type TemporaryFile, type TestCluster, uniqueName } from './cluster.ts';

const drivers = new Map([kubernetes, openshift, openshiftpods].map((driver) => [driver.name, driver]));

export const patience = { timeout: 90_000, interval: 20 };

/** Everything that was logged, at all levels, as one text: for looking what must not be in it. */
export class LogText implements Logger {
  text = '';
  private take(level: string, fields: object, message: string): void {
    this.text += `${level} ${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? `${value.message} ${value.stack} ${String(value.cause)}` : value))}\n`;
  }
  debug(fields: object, message: string): void {
    this.take('debug', fields, message);
  }
  info(fields: object, message: string): void {
    this.take('info', fields, message);
  }
  warn(fields: object, message: string): void {
    this.take('warn', fields, message);
  }
  error(fields: object, message: string): void {
    this.take('error', fields, message);
  }
}

/** Providers named in `kubeconfigs` find their cluster there; all others are as in any test. */
export const containerAdapters =
  (kubeconfigs: Readonly<Record<string, string>>, log: Logger): CreateAdapter =>
  async (provider: ProviderConfig, backing) => {
    const driver = drivers.get(provider.driver);
    if (!driver) return createAdapter(provider, backing);
    const env = { KUBECONFIG: kubeconfigs[provider.name] };
    return driver.createAdapter({ provider, runtime: systemRuntime, log, env });
  };

/** What a test has for itself: a launcher's surroundings, a way to the API server that can fail, a name nobody else uses. */
export interface Surroundings {
  cluster: Cluster;
  proxy: ApiProxy;
  kubeconfig: TemporaryFile;
  log: LogText;
  pool: string;
}

/** Made anew for each test of the file; afterwards nothing is left of them. */
export function surroundings(kube: TestCluster): Surroundings {
  const now = {} as Surroundings;
  beforeEach(async () => {
    now.cluster = await Cluster.start();
    now.proxy = await kube.proxy();
    now.kubeconfig = await kube.configFor(now.proxy.url, await kube.administrator());
    now.log = new LogText();
    now.pool = uniqueName('pool');
  });
  afterEach(async () => {
    now.proxy.rules.clear();
    now.proxy.releaseHanging();
    await now.cluster.stop();
    await now.proxy.close();
    await now.kubeconfig.remove();
    for (const { metadata } of await kube.namespaces(now.pool)) await kube.removeNamespace(metadata!.name!);
  });
  return now;
}

/** What the documents in ZooKeeper say of a node in a container. */
export interface Connection {
  readonly name?: string;
  readonly namespace: string;
  readonly host: string;
  readonly skiptls: boolean;
  readonly ca_crt: string | null;
  readonly token: string;
  readonly user: string;
  readonly pod?: string;
}

export function connectionOf(node: { readonly connectionPort: unknown }): Connection {
  expect(node.connectionPort).toBeTypeOf('object');
  return node.connectionPort as Connection;
}
