/** One broker of backing nodes for each provider that asks for one, made at the first question and kept for good. */
import type { Trouble } from '../../base/trouble.ts';
import { BackingBroker, type BackingBrokerDeps } from './backing-broker.ts';

export class BackingBrokers {
  private readonly deps: Omit<BackingBrokerDeps, 'providerName'>;
  private readonly brokers = new Map<string, BackingBroker>();

  constructor(deps: Omit<BackingBrokerDeps, 'providerName'>) {
    this.deps = deps;
  }

  of(providerName: string): BackingBroker {
    let broker = this.brokers.get(providerName);
    if (!broker) this.brokers.set(providerName, (broker = new BackingBroker({ ...this.deps, providerName })));
    return broker;
  }

  /** The provider has left the configuration: what it owns goes when it is empty. */
  removed(providerName: string): void {
    this.brokers.get(providerName)?.keep(() => null);
  }

  troubles(): Trouble[] {
    return [...this.brokers.values()].flatMap((broker) => broker.troubles());
  }

  async stop(): Promise<void> {
    await Promise.allSettled([...this.brokers.values()].map((broker) => broker.stop()));
  }
}
