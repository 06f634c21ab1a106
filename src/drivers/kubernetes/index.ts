import { defineDriver } from '../../driver-kit/define-driver.ts';
import { KubernetesAdapter } from './adapter.ts';
import { kubernetesConfig } from './config.ts';

export const driver = defineDriver(kubernetesConfig, (context) => new KubernetesAdapter(context));
