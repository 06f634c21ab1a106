import { defineDriver } from '../../driver-kit/define-driver.ts';
import { StaticAdapter } from './adapter.ts';
import { staticConfig } from './config.ts';

export const driver = defineDriver(staticConfig, (context) => new StaticAdapter(context));
