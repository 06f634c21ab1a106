import type { Driver } from '../../provider/adapter.ts';
import { OpenShiftPodsAdapter } from './adapter.ts';

export const driver: Driver = { name: 'openshiftpods', createAdapter: (context) => new OpenShiftPodsAdapter(context) };
