/** The demands that every driver has to meet, for the driver kubernetes with the right to watch on a real API server. */
import { driverConformance } from '../../src/drivers/testing/conformance/conformance.ts';
import { kubernetes, kubernetesBed, notShown } from './support/beds.ts';
import { TestCluster } from './support/cluster.ts';

const cluster = new TestCluster();

driverConformance(
  'kubernetes, with the right to watch',
  (runtime) => kubernetesBed(cluster, kubernetes('admin'), runtime),
  notShown,
);
