import { defineDriver } from '../../driver-kit/define-driver.ts';
import { FakeAdapter } from './adapter.ts';
import { fakeConfig } from './config.ts';

export const driver = defineDriver(fakeConfig, (context) => new FakeAdapter(context));
