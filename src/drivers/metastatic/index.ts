import type { Driver } from '../../driver-kit/contract.ts';
import { MetastaticAdapter } from './adapter.ts';

export const driver: Driver = { name: 'metastatic', createAdapter: (context) => new MetastaticAdapter(context) };
