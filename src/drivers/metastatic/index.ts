import { defineDriver } from '../../driver-kit/define-driver.ts';
import { MetastaticAdapter } from './adapter.ts';
import { metastaticConfig } from './config.ts';

export const driver = defineDriver(metastaticConfig, (context) => new MetastaticAdapter(context));
