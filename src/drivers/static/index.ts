import type { Driver } from '../../provider/adapter.ts';
import { StaticAdapter } from './adapter.ts';

export const driver: Driver = { name: 'static', createAdapter: (context) => new StaticAdapter(context) };
