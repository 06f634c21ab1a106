import type { Driver } from '../../provider/adapter.ts';
import { MetastaticAdapter } from './adapter.ts';

export const driver: Driver = { name: 'metastatic', createAdapter: (context) => new MetastaticAdapter(context) };
