/** config-schema: the JSON Schema of the configuration. */
import { configJsonSchema } from '../../config/json-schema.ts';
import { driverDefinitions } from '../../drivers/catalogue.ts';

export function configSchema(): void {
  console.log(JSON.stringify(configJsonSchema(driverDefinitions), null, 2));
}
