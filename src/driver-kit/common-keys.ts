/** Keys that several drivers share, each with its type, default and meaning. */
import { bool, dict, int, mapping, str } from '../config/schema.ts';

/** Keys that every provider has, whatever its driver. `note`: when else a provider is of this one. */
export const commonProviderKeys = (driver: string, note = '') => ({
  name: str().describe('Unique name; one that begins with `fake` is always of driver fake.'),
  driver: str().optional().describe(`\`${driver}\`${note}.`),
  'max-concurrency': int()
    .default(-1)
    .describe('Requests that are handled at once; less than 0: no limit, 0: handles none.'),
  priority: int().default(100).describe('Lower goes first; the default of its pools.'),
});

/** Keys that every pool has besides its name. */
export const commonPoolKeys = {
  'max-servers': int().optional().describe('Most nodes of the pool; 0 or less disables it. Default: no limit.'),
  'node-attributes': dict().optional().describe('Stored with each node as its attributes.'),
  priority: int().optional().describe("Lower goes first. Default: the provider's."),
};

/** Name of a pool or label where it is required. */
export const poolName = () => str().describe('Name, unique in the provider.');

export const labelName = () => str().describe('Name of a label at the top level.');

/** Where and how nodes of an image are reached. */
export const connectionKeys = {
  'connection-type': str()
    .default('ssh')
    .describe('How nodes are reached: `ssh`, `winrm`, or what else the consumer knows.'),
  'connection-port': int().optional().describe('Port for that. Default: 22, for `winrm` 5986.'),
};

export const interpreterKeys = {
  'python-path': str().default('auto').describe('Python on the node, for the consumer.'),
  'shell-type': str().optional().describe('Shell of the node, for the consumer.'),
};

/** How long a launch may take and how often it is tried. */
export const timingKeys = (bootTimeout: number) => ({
  'boot-timeout': int().default(bootTimeout).describe('Seconds from the active instance to its host keys.'),
  'launch-timeout': int().default(3600).describe('Seconds from the creation to the active instance.'),
  'launch-retries': int().default(3).describe('Attempts to launch a node.'),
});

/** `whose`: what counts where a key is left out. */
export const computeLimitKeys = (whose: string) => ({
  'max-cores': int().optional().describe(`Most cores. Default: ${whose}.`),
  'max-ram': int().optional().describe(`Most memory in MiB. Default: ${whose}.`),
});

export const resourceLimitKeys = (whose: string) => ({
  ...computeLimitKeys(whose),
  'max-resources': mapping(int())
    .optional()
    .describe(`Most of other resources, by their names. Default of each: ${whose}.`),
});

export const postUploadHook = () =>
  str()
    .optional()
    .describe(
      'Program that is run after an upload, as `HOOK provider external-id file`; its failure deletes the upload.',
    );

export const imagePause = () => bool().default(false).describe('Upload none of it for now.');

export const diskimageName = () => str().describe('Name of a diskimage at the top level, not an abstract one.');

export const tags = (what: string) => dict().default({}).describe(`${what}.`);

export const dynamicTags = (what: string) =>
  dict().default({}).describe(`${what}; the values are templates over the request, such as \`{request.tenant_name}\`.`);
