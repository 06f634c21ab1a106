import type { Driver } from '../../provider/adapter.ts';
import { OpenShiftAdapter } from './adapter.ts';

export const driver: Driver = { name: 'openshift', createAdapter: (context) => new OpenShiftAdapter(context) };
