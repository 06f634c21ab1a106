/** The demands that every driver has to meet, for the driver openshiftpods on a real API server. */
import { driverConformance } from '../../src/drivers/testing/conformance/conformance.ts';
import { openshiftpods, kubernetesBed, notShown } from './support/beds.ts';
import { TestCluster } from './support/cluster.ts';

const cluster = new TestCluster();

const driver = openshiftpods('openshiftpods');

driverConformance(
  'openshiftpods, with the rights that the Python launcher needs',
  (runtime) => kubernetesBed(cluster, driver, runtime),
  notShown,
);
driverConformance(
  'openshiftpods, with the right to watch',
  (runtime) => kubernetesBed(cluster, driver, runtime, true),
  notShown,
);
