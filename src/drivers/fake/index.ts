import type { Driver } from '../../provider/adapter.ts';
import { FakeAdapter } from './adapter.ts';

export const driver: Driver = { name: 'fake', createAdapter: (context) => new FakeAdapter(context) };
