import { defineDriver } from '../../driver-kit/define-driver.ts';
import { OpenShiftPodsAdapter } from './adapter.ts';
import { openshiftpodsConfig } from './config.ts';

export const driver = defineDriver(openshiftpodsConfig, (context) => new OpenShiftPodsAdapter(context));
