import type { Driver } from '../../driver-kit/contract.ts';
import { OpenShiftAdapter } from './adapter.ts';

export const driver: Driver = { name: 'openshift', createAdapter: (context) => new OpenShiftAdapter(context) };
