/** The part of an adapter without a cloud of its own: nothing to list, no quota, no zones, no images. */
import type { CloudResource, ListedInstance, QuotaLimits } from './adapter.ts';

export abstract class Cloudless {
  listInstances(): Promise<readonly ListedInstance[]> {
    return Promise.resolve([]);
  }

  listResources(): Promise<readonly CloudResource[]> {
    return Promise.resolve([]);
  }

  deleteResource(): Promise<void> {
    return Promise.resolve();
  }

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
