import type { Driver } from '../../driver-kit/contract.ts';
import { FakeAdapter } from './adapter.ts';

export const driver: Driver = { name: 'fake', createAdapter: (context) => new FakeAdapter(context) };
