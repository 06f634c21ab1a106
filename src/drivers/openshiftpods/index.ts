import type { Driver } from '../../driver-kit/contract.ts';
import { OpenShiftPodsAdapter } from './adapter.ts';

export const driver: Driver = { name: 'openshiftpods', createAdapter: (context) => new OpenShiftPodsAdapter(context) };
