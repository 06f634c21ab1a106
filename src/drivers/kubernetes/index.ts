import type { Driver } from '../../driver-kit/contract.ts';
import { KubernetesAdapter } from './adapter.ts';

export const driver: Driver = { name: 'kubernetes', createAdapter: (context) => new KubernetesAdapter(context) };
