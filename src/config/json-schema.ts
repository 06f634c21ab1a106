/** The JSON Schema of a whole configuration file, for editors and for the reference pages. */
import { globalSchema } from './global-schema.ts';
import type { DriverDefinitions } from './providers.ts';
import { toJsonSchema } from './schema.ts';

type Json = Record<string, unknown>;

/** A schema in draft 7, which editors know best. */
export function configJsonSchema(drivers: DriverDefinitions): object {
  const schema = toJsonSchema(globalSchema) as { properties: Json };
  const definitions = [...drivers.values()].map((driver): [string, Json] => [
    `${driver.name}-provider`,
    toJsonSchema(driver.schema),
  ]);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration of Nodepool',
    ...schema,
    properties: {
      ...schema.properties,
      providers: { ...(schema.properties['providers'] as Json), items: providerItem([...drivers.keys()]) },
    },
    definitions: Object.fromEntries(definitions),
  };
}

/** Chooses the driver's schema for a provider: by the key `driver`; fake where the name begins so, openstack without the key. */
function providerItem(names: readonly string[]): Json {
  const by = (condition: Json, driver: string) => ({
    if: condition,
    // biome-ignore lint/suspicious/noThenProperty: that is its name in JSON Schema
    then: { $ref: `#/definitions/${driver}-provider` },
  });
  const isFake = { required: ['name'], properties: { name: { type: 'string', pattern: '^fake' } } };
  const others = names.map((name) =>
    name === 'openstack'
      ? by({ properties: { driver: { const: name } } }, name)
      : by({ required: ['driver'], properties: { driver: { const: name } } }, name),
  );
  return {
    type: 'object',
    required: ['name'],
    ...by(isFake, 'fake'),
    else: { properties: { driver: { enum: names } }, allOf: others },
  };
}
