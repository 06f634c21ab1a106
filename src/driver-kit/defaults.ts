/** Parts of an adapter without a cloud of its own, or whose cloud knows no quota, zones and images. */
import type { CloudResource, ListedInstance, QuotaLimits } from './contract.ts';

export abstract class Unlimited {
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

/** Nothing to list, nothing to delete either. */
export abstract class Cloudless extends Unlimited {
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
