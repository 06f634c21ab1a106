/** The secure file: what it may hold, and the secrets that it adds to disk images. */
import type { ConfigDocument } from './document.ts';
import { type SecureConfig, secureSchema } from './global-schema.ts';
import type { DiskImageConfig } from './model.ts';
import { didYouMean } from './suggest.ts';
import type { ConfigIssue } from './yaml/errors.ts';
import { isMapping } from './yaml/values.ts';

/** null for an empty file. */
export function readSecure(secure: ConfigDocument): SecureConfig | null {
  if (secure.value === null) return null;
  if (isMapping(secure.value)) {
    const known = ['zookeeper-servers', 'zookeeper-tls', 'diskimages'];
    for (const key of Object.keys(secure.value).filter((name) => !known.includes(name))) {
      const where = didYouMean(key, known) || ', it belongs into the main file';
      secure.warnings.push(secure.issue([key], `has no effect in the secure file${where}`, 'key'));
    }
  }
  return secure.parse(secureSchema, secure.value);
}

export function addSecretEnvironment(
  images: Map<string, DiskImageConfig>,
  secrets: SecureConfig,
  secure: ConfigDocument,
  refusals: ConfigIssue[],
): void {
  for (const [index, { name, 'env-vars': env }] of (secrets.diskimages ?? []).entries()) {
    const image = images.get(name);
    if (image) images.set(name, { ...image, envVars: { ...image.envVars, ...env } });
    else {
      const message = `there is no diskimage ${name} in the main file${didYouMean(name, images.keys())}`;
      refusals.push(secure.issue(['diskimages', index, 'name'], message));
    }
  }
}
