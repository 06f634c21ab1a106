import { defineDriver } from '../../../src/driver-kit/define-driver.ts';
import { ToyAdapter } from './adapter.ts';
import { toyConfig } from './config.ts';

export const driver = defineDriver(toyConfig, (context) => new ToyAdapter(context));
