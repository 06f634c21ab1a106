/** The demands that every driver has to meet, for the driver openshift on a real API server. */
import { driverConformance } from '../../src/provider/testing/conformance.ts';
import { openshift, kubernetesBed } from './support/beds.ts';
import { TestCluster } from './support/cluster.ts';

const cluster = new TestCluster();

driverConformance('openshift', (runtime) => kubernetesBed(cluster, openshift('openshift'), runtime));
