/** Answers that an adapter inherits where its cloud has no such thing, so that it says only what it has. */
import type { CloudResource, ListedInstance, QuotaLimits } from './contract.ts';

/** For a cloud without quota and zones, whose images are always there. */
export abstract class AdapterDefaults {
  quotaLimits(): Promise<QuotaLimits> {
    return Promise.resolve({});
  }

  availabilityZones(): Promise<readonly (string | null)[]> {
    return Promise.resolve([null]);
  }

  labelReady(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

/** For a driver without a cloud of its own: there is nothing to list, and nothing to delete either. */
export abstract class CloudlessAdapterDefaults extends AdapterDefaults {
  listInstances(): Promise<readonly ListedInstance[]> {
    return Promise.resolve([]);
  }

  listResources(): Promise<readonly CloudResource[]> {
    return Promise.resolve([]);
  }

  deleteResource(): Promise<void> {
    return Promise.resolve();
  }
}
