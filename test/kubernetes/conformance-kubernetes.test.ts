/** The demands that every driver has to meet, for the driver kubernetes on a real API server. */
import { driverConformance } from '../../src/drivers/testing/conformance/conformance.ts';
import { kubernetes, kubernetesBed, notShown } from './support/beds.ts';
import { TestCluster } from './support/cluster.ts';

const cluster = new TestCluster();

driverConformance(
  'kubernetes, with the rights that the Python launcher needs',
  (runtime) => kubernetesBed(cluster, kubernetes('kubernetes'), runtime),
  notShown,
);
