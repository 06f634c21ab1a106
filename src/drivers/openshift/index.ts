import { defineDriver } from '../../driver-kit/define-driver.ts';
import { OpenShiftAdapter } from './adapter.ts';
import { openshiftConfig } from './config.ts';

export const driver = defineDriver(openshiftConfig, (context) => new OpenShiftAdapter(context));
