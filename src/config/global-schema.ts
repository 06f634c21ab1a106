/** The schema of everything but the drivers' parts; each key once, with what it means. */
import { z } from 'zod';
import { bool, closed, dict, float, int, list, mapping, str } from './schema.ts';

const tlsFiles = closed({
  cert: str().optional().describe('PEM file of the certificate'),
  key: str().optional().describe('PEM file of its key'),
  ca: str().optional().describe('PEM file of the authority that signed the other side'),
});

const label = closed({
  name: str().describe('name that requests ask for'),
  'min-ready': int().optional().describe('nodes kept ready, default 0'),
  'max-ready-age': int().optional().describe('seconds that a node may stay ready, default 0: for ever'),
});

const diskimage = closed({
  name: str(),
  abstract: bool().optional(),
  parent: str().optional(),
  elements: list(str()).optional(),
  'env-vars': mapping(str()).optional(),
  metadata: dict().optional(),
  formats: list(str()).optional(),
  'keep-formats': list(str()).optional(),
  'delete-after-upload': bool().optional(),
  pause: bool().optional(),
  'rebuild-age': int().optional(),
  'build-timeout': int().optional(),
  release: z.union([str(), int()], { error: 'must be a string or an integer' }).optional(),
  'dib-cmd': str().optional(),
  username: str().optional(),
  'python-path': str().optional(),
});

export const globalSchema = closed({
  webapp: closed({ port: int().optional(), listen_address: str().optional() })
    .optional()
    .describe('status web server of the launcher'),
  'elements-dir': str().optional(),
  'images-dir': str().optional(),
  'build-log-dir': str().optional(),
  'build-log-retention': int().optional(),
  'zookeeper-servers': list(
    closed({
      host: str().optional().describe('name or address'),
      port: int().optional().describe('default 2281'),
      chroot: str().optional().describe('path below which everything lies, the same for all servers'),
    }),
  )
    .optional()
    .describe('members of the ZooKeeper ensemble; without it the embedded coordinator is used'),
  'zookeeper-tls': tlsFiles.optional().describe('client certificate for ZooKeeper'),
  'zookeeper-timeout': float().optional().describe('session timeout in seconds, default 10.0'),
  coordinator: closed({
    'data-dir': str().optional().describe('where the embedded coordinator keeps its data'),
    listen: str().optional().describe('address of its TLS port, default 127.0.0.1'),
    port: int().optional().describe('plain port on loopback, default: any free one'),
    'tls-port': int().optional().describe('TLS port for clients with a certificate, default: none'),
    tls: tlsFiles.optional(),
  })
    .optional()
    .describe('the embedded coordinator, used where no zookeeper-servers are given'),
  labels: list(label).optional(),
  diskimages: list(diskimage).optional(),
  providers: list(z.unknown()).optional(),
  'tenant-resource-limits': list(
    z
      .object({
        'tenant-name': str().optional(),
        'max-cores': int().optional(),
        'max-servers': int().optional(),
        'max-ram': int().optional(),
      })
      .catchall(int()),
  ).optional(),
  'max-hold-age': int().optional(),
});

export type GlobalConfig = z.infer<typeof globalSchema>;

/** Keys that every provider has, whatever its driver. */
export const commonProviderKeys = {
  name: str().describe('unique name'),
  driver: str().optional(),
  'max-concurrency': int().optional().describe('requests handled at once, default -1: no limit; 0 handles none'),
  priority: int().optional().describe('lower goes first, default 100'),
};

export const commonPoolKeys = {
  'max-servers': int().optional().describe('most nodes of the pool; 0 or less disables it'),
  'node-attributes': dict().optional().describe('stored with each node'),
  priority: int().optional().describe("default: the provider's"),
};
