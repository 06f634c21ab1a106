/** One broker of backing nodes for each provider that asks for one, made at the first question and kept for good. */
import type { Trouble } from '../../base/trouble.ts';
import { BackingBroker, type BackingBrokerOptions } from './backing-broker.ts';

export class BackingBrokers {
  private readonly o: Omit<BackingBrokerOptions, 'providerName'>;
  private readonly brokers = new Map<string, BackingBroker>();

  constructor(options: Omit<BackingBrokerOptions, 'providerName'>) {
    this.o = options;
  }

  of(providerName: string): BackingBroker {
    let broker = this.brokers.get(providerName);
    if (!broker) this.brokers.set(providerName, (broker = new BackingBroker({ ...this.o, providerName })));
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
