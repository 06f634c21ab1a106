import type { Driver } from '../../provider/adapter.ts';
import { KubernetesAdapter } from './adapter.ts';

export const driver: Driver = { name: 'kubernetes', createAdapter: (context) => new KubernetesAdapter(context) };
