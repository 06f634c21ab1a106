/**
 * From files to a configuration: read, substitute, parse, check, resolve. config-validate and the daemons share it. What
 * single sections need lies in files of their names.
 */
import { assemble, labelConfig } from './assemble.ts';
import { checkConnections } from './connections.ts';
import { checkImages, resolveImages } from './diskimages.ts';
import { ConfigDocument } from './document.ts';
import { warnOfDuplicates } from './duplicates.ts';
import { globalSchema } from './global-schema.ts';
import type { LabelConfig, NodepoolConfig, ProviderConfig } from './model.ts';
import { contextOf, type DriverDefinitions, parseProviders } from './providers.ts';
import { addSecretEnvironment, readSecure } from './secure-file.ts';
import { ConfigError, type ConfigIssue, inOrder } from './yaml/errors.ts';
import { isMapping } from './yaml/values.ts';

export interface ConfigFile {
  readonly path: string;
  readonly securePath?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly drivers: DriverDefinitions;
}

export interface Loaded {
  readonly config: NodepoolConfig;
  readonly warnings: readonly ConfigIssue[];
}

export interface Validated {
  /** Good for looking at. The daemons take the configuration only where there are no refusals. */
  readonly config: NodepoolConfig;
  /** What the daemons would refuse although the file is valid. */
  readonly refusals: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
}

/** The configuration that the daemons run with. Throws ConfigError, also for what only the daemons refuse. */
export function loadConfig(file: ConfigFile): Loaded {
  const { config, refusals, warnings } = validate(file);
  if (refusals.length > 0) throw new ConfigError(refusals, { warnings });
  return { config, warnings };
}

/** Judges the form as the Python config-validate does, and the secure file too. Throws ConfigError with all findings. */
export function validate(file: ConfigFile): Validated {
  const main = new ConfigDocument(file.path, file.env);
  const raw = main.parse(globalSchema, main.value);
  if (isMapping(main.value)) warnOfDuplicates(main, main.value, []);
  const providers = parseProviders(main, file.drivers);
  const secure = file.securePath === undefined ? null : new ConfigDocument(file.securePath, file.env);
  const secrets = secure && readSecure(secure);
  const labels = new Map(raw?.labels.map((l): [string, LabelConfig] => [l.name, labelConfig(l)]));
  if (raw) {
    checkImages(raw.diskimages, main);
    const everyImage = new Map(raw.diskimages.map(({ name }) => [name, null] as const));
    for (const { definition, parsed, at } of providers) {
      definition.check(parsed, contextOf(main, at, labels, everyImage, main.errors));
    }
  }
  const errors = [...inOrder(main.errors), ...inOrder(secure?.errors ?? [])];
  const warnings = () => [...inOrder(main.warnings), ...inOrder(secure?.warnings ?? [])];
  if (!raw || errors.length > 0) throw new ConfigError(errors, { warnings: warnings() });
  const refusals: ConfigIssue[] = [];
  const refuse = (path: readonly PropertyKey[], message: string) => void refusals.push(main.issue(path, message));
  const images = resolveImages(raw.diskimages, refuse);
  if (secure && secrets) addSecretEnvironment(images, secrets, secure, refusals);
  const loaded = new Map<string, ProviderConfig>();
  for (const { definition, parsed, at } of providers) {
    const provider = definition.load(parsed, contextOf(main, at, labels, images, refusals));
    loaded.set(provider.name, provider);
  }
  checkConnections(raw, secrets, main, secure, refusals);
  for (const [index, limit] of raw['tenant-resource-limits'].entries()) {
    if (limit['tenant-name'] === undefined) refuse(['tenant-resource-limits', index], 'tenant-name is required');
  }
  return {
    config: assemble(raw, secrets, labels, images, loaded),
    refusals: inOrder(refusals),
    warnings: warnings(),
  };
}
