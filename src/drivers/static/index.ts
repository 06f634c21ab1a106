import type { Driver } from '../../driver-kit/contract.ts';
import { StaticAdapter } from './adapter.ts';

export const driver: Driver = { name: 'static', createAdapter: (context) => new StaticAdapter(context) };
