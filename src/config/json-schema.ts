import * as z from 'zod';
import type {JsonObject} from '../core/json.ts';
import {configSchema, settingsSchema} from './schema.ts';

/**
 * The JSON Schema of thaw.yaml, for editors.
 *
 * @param optionSchemas the JSON Schema of each provider's own options, by the provider's name
 */
export function renderJsonSchema(optionSchemas: {readonly [provider: string]: JsonObject}): JsonObject {
  const config = jsonSchemaOf(configSchema);
  const settings = propertiesOf(jsonSchemaOf(settingsSchema));
  const sections = Object.entries(optionSchemas).map(([name, options]) => [
    name,
    {
      type: ['object', 'null'],
      properties: {...propertiesOf(options), ...settings},
      additionalProperties: false,
    },
  ]);
  return {
    ...config,
    title: 'thaw.yaml',
    properties: {
      ...propertiesOf(config),
      providers: {
        type: 'object',
        properties: Object.fromEntries(sections) as JsonObject,
        additionalProperties: false,
      },
    },
  };
}

const jsonSchemaOf = (schema: z.ZodType): JsonObject =>
  z.toJSONSchema(schema, {io: 'input', unrepresentable: 'any'}) as JsonObject;

const propertiesOf = (schema: JsonObject): JsonObject => (schema['properties'] ?? {}) as JsonObject;
