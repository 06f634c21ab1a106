/** The schema of everything but the drivers' parts. Each key is declared once, with its type, default and meaning. */
import { z } from 'zod';
import { unlisted } from './remarks.ts';
import { bool, closed, dict, float, int, list, mapping, open, str, union } from './schema.ts';

const tlsFiles = () =>
  closed({
    cert: str().optional().describe('PEM file of the certificate.'),
    key: str().optional().describe('PEM file of its key.'),
    ca: str().optional().describe('PEM file of the authority that signed the certificate of the other side.'),
  });

const label = closed({
  name: str().describe('Name that requests ask for.'),
  'min-ready': int().default(0).describe('Nodes that are kept ready; none where it is 0 or less.'),
  'max-ready-age': int().default(0).describe('Seconds that a node may stay ready; 0: for ever.'),
});

const diskimage = closed({
  name: str().describe('Unique name.'),
  abstract: bool().default(false).describe('A template for other images; it is never built.'),
  parent: str()
    .default('')
    .describe('Another image whose values this one takes over; may be abstract or stand further down.'),
  elements: list(str()).default([]).describe("Elements of the image, after the parent's."),
  'env-vars': mapping(str()).default({}).describe("Environment of the build, merged over the parent's."),
  metadata: dict().default({}).describe('Properties of uploads, for all providers. Not inherited.'),
  formats: list(str()).default([]).describe("Formats besides those that providers need; where empty the parent's."),
  'keep-formats': list(str())
    .default([])
    .describe("Formats that delete-after-upload leaves on the disk; where empty the parent's."),
  'delete-after-upload': bool()
    .optional()
    .describe("Delete the local files once all uploads are done. Default: the parent's, or false."),
  pause: bool().default(false).describe("Build none for now. A parent's true can't be undone."),
  'rebuild-age': int().default(0).describe("Seconds after which it is built anew; 0: the parent's, or 86400."),
  'build-timeout': int().default(0).describe("Seconds that a build may take; 0: the parent's, or 28800."),
  release: union(str(), int(), 'a string or an integer (put numbers with a point in quotes)')
    .default('')
    .describe("Release of the distribution; where empty the parent's."),
  'dib-cmd': str().default('').describe("Build command; where empty the parent's, or `disk-image-create`."),
  username: str().default('').describe("User that can log in; where empty the parent's, or `zuul`."),
  'python-path': str().default('').describe("Python on the node; where empty the parent's, or `auto`."),
  'shell-type': unlisted(str().default(''), 'Shell of the node, for the consumer.'),
});

const zookeeperServers = list(
  closed({
    host: str().optional().describe('Name or address. Required by the daemons.'),
    port: int().default(2281).describe('Port.'),
    chroot: str().optional().describe('Path below which everything lies, for all servers; given with the last one.'),
  }),
);

export const globalSchema = closed({
  'zookeeper-servers': zookeeperServers
    .default([])
    .describe('Members of the ZooKeeper ensemble. Without any the embedded coordinator is used.'),
  'zookeeper-tls': tlsFiles()
    .optional()
    .describe('Client certificate for ZooKeeper: all three files. Default: no TLS.'),
  'zookeeper-timeout': float().default(10).describe('Session timeout in seconds, with a decimal point.'),
  coordinator: closed({
    'data-dir': str()
      .optional()
      .describe('Where it keeps its data. Default: `nodepool/coordinator` in `$XDG_STATE_HOME` or `~/.local/state`.'),
    listen: str().default('127.0.0.1').describe('Address of its TLS port.'),
    port: int().optional().describe('Plain port on loopback. Default: any free one.'),
    'tls-port': int().optional().describe('TLS port for clients with a certificate. Default: none.'),
    tls: tlsFiles().optional().describe('Its certificate, for the TLS port: all three files.'),
  })
    .optional()
    .describe('The embedded coordinator, used where no zookeeper-servers are given. The Python Nodepool has none.'),
  webapp: closed({
    port: int().default(8005).describe('Port.'),
    listen_address: str().default('127.0.0.1').describe('Address that it listens on.'),
  })
    .prefault({})
    .describe('Status web server of the launcher.'),
  labels: list(label).default([]).describe('What can be asked for.'),
  diskimages: list(diskimage).default([]).describe('Images that are built.'),
  providers: list(z.unknown()).default([]).describe('Where nodes come from; each is judged by its driver.'),
  'tenant-resource-limits': list(
    open(
      {
        'tenant-name': str().optional().describe('The tenant. Required by the daemons.'),
        'max-cores': int().optional().describe('Most cores. Default: no limit.'),
        'max-ram': int().optional().describe('Most memory in MiB. Default: no limit.'),
        'max-servers': int().optional().describe('Most nodes. Default: no limit.'),
        'max-volumes': int().optional().describe('Most volumes. Default: no limit.'),
        'max-volume-gb': int().optional().describe('Most space of volumes in GB. Default: no limit.'),
      },
      int(),
    ),
  )
    .default([])
    .describe("Most that the nodes of a tenant may use at once. Any other key is the name of a driver's resource."),
  'max-hold-age': int().default(0).describe('Seconds that a node may stay in `hold`; 0 or less: for ever.'),
  'elements-dir': str().optional().describe('Directories with elements of images, given to builds as `ELEMENTS_PATH`.'),
  'images-dir': str().optional().describe('Where builds are written. Required by the builder.'),
  'build-log-dir': str().default('/var/log/nodepool/builds').describe('Where the logs of builds are written.'),
  'build-log-retention': int().default(7).describe('Old logs that are kept for each image; negative: all.'),
});

export type GlobalConfig = z.output<typeof globalSchema>;

/** The secure file: secrets that replace or complete values of the main file. Its other keys are ignored. */
export const secureSchema = open(
  {
    'zookeeper-servers': zookeeperServers
      .nullable()
      .default([])
      .describe('Where not empty it takes the place of that of the main file.'),
    'zookeeper-tls': tlsFiles().nullish().describe('Where not empty it takes the place of that of the main file.'),
    diskimages: list(
      closed({
        name: str().describe('An image of the main file that is not abstract.'),
        'env-vars': mapping(str()).describe("Merged over the image's."),
      }),
    )
      .nullable()
      .default([])
      .describe('Environment of builds that holds secrets.'),
  },
  z.unknown(),
);

export type SecureConfig = z.output<typeof secureSchema>;
