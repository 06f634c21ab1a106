/** config-validate, config-schema. */
import { ConfigError, formatIssue } from '../../config/errors.ts';
import { configJsonSchema, validate } from '../../config/load.ts';
import type { GlobalOptions } from '../context.ts';
import { driverDefinitions } from '../drivers.ts';

export function configValidate(o: GlobalOptions): number {
  try {
    const { warnings } = validate({ path: o.config, env: process.env, drivers: driverDefinitions });
    for (const warning of warnings) console.error(`warning: ${formatIssue(warning)}`);
    console.error(`${o.config}: the configuration is valid`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const issue of error.issues) console.error(formatIssue(issue));
    return 1;
  }
}

export function configSchema(): void {
  console.log(JSON.stringify(configJsonSchema(driverDefinitions), null, 2));
}
