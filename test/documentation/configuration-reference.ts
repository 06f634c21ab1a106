/** The reference pages of the configuration, made from the declarations of its keys. */
import { driverDefinitions, isBuilt } from '../../src/drivers/catalogue.ts';
import { globalSchema, secureSchema } from '../../src/config/global-schema.ts';
import { toJsonSchema } from '../../src/config/schema.ts';
import { type JsonSchema, keyTables } from './key-tables.ts';

const made = '<!-- Made by `npm run docs:reference`. Edit the declarations in src/config and src/drivers instead. -->';

const about: Readonly<Record<string, string>> = {
  aws: 'Instances of Amazon EC2.',
  azure: 'Virtual machines of Microsoft Azure.',
  fake: 'A cloud that is only played, for trying things out. It takes the keys of [openstack](openstack.md), and some of its own.',
  gce: 'Instances of Google Compute Engine.',
  ibmvpc: 'Instances of IBM Cloud VPC.',
  kubernetes: 'Namespaces of a Kubernetes cluster, and pods in namespaces of their own.',
  metastatic: 'Slots of nodes that other providers launch.',
  openshift: 'Projects of an OpenShift cluster, and pods in projects of their own.',
  openshiftpods: 'Pods in existing projects of an OpenShift cluster.',
  openstack: 'Servers of an OpenStack cloud. The driver of providers that name none.',
  static: 'Hosts that exist already.',
};

/** By file name. */
export function configurationReference(): ReadonlyMap<string, string> {
  const global = toJsonSchema(globalSchema) as JsonSchema;
  const { diskimages, providers, ...sections } = global.properties!;
  const drivers = [...driverDefinitions.values()];
  const pages = new Map<string, readonly string[]>([
    ['README.md', overview(drivers.map(({ name }) => name))],
    [
      'sections.md',
      [
        '# Sections of the configuration file',
        '',
        made,
        '',
        'All of them may be left out. `diskimages` has a [page of its own](diskimages.md), and `providers` one for each',
        '[driver](README.md#drivers).',
        '',
        ...keyTables(
          { properties: { ...sections, diskimages: flat(diskimages!), providers: providers! } },
          '',
          2,
        ).slice(2),
      ],
    ],
    [
      'diskimages.md',
      [
        '# Disk images',
        '',
        made,
        '',
        'Images that the builder makes, and providers upload. Values come from the parents, the eldest first.',
        '',
        ...keyTables(diskimages!.items!, 'diskimages[]', 2),
      ],
    ],
    [
      'secure-file.md',
      [
        '# The secure file',
        '',
        made,
        '',
        'A second file, given with `-s`, for what not everyone may read. It is YAML too, with the same substitution, and holds',
        'these keys only; others have no effect. `config-validate` checks it where it is given, the Python one never looks at it.',
        '',
        ...keyTables(toJsonSchema(secureSchema), '', 2).slice(2),
      ],
    ],
  ]);
  for (const { name, schema } of drivers) {
    const state = isBuilt(name)
      ? []
      : ['This driver is not built yet: its providers are checked in full, and do not start.', ''];
    pages.set(`${name}.md`, [
      `# Providers of driver ${name}`,
      '',
      made,
      '',
      about[name]!,
      '',
      ...state,
      ...keyTables(toJsonSchema(schema), 'providers[]', 2),
    ]);
  }
  return new Map(
    [...pages].map(([name, lines]) => [
      name,
      `${lines
        .join('\n')
        .replace(/\n{3,}/g, '\n\n')
        .trimEnd()}\n`,
    ]),
  );
}

/** Without the tables of what is in it. */
const flat = ({ description, default: value }: JsonSchema): JsonSchema => ({
  type: 'array',
  items: { type: 'object' },
  ...(description === undefined ? {} : { description }),
  ...(value === undefined ? {} : { default: value }),
});

function overview(drivers: readonly string[]): string[] {
  return [
    '# Configuration',
    '',
    made,
    '',
    'One YAML file, `/etc/nodepool/nodepool.yaml` or what `-c` says, and a [secure file](secure-file.md) where `-s` names one.',
    'It is the file of the Python Nodepool; keys that only one of both knows say so.',
    '',
    '- [Sections](sections.md): ZooKeeper, labels, limits, the web server and the rest of the top level',
    '- [Disk images](diskimages.md)',
    '- [The secure file](secure-file.md)',
    '',
    '## Drivers',
    '',
    ...drivers.map((name) => `- [${name}](${name}.md)${isBuilt(name) ? '' : ' (not built yet)'}: ${about[name]!}`),
    '',
    '## How it is read',
    '',
    '- `%(NODEPOOL_NAME)` is replaced by the environment variable `NODEPOOL_NAME`, anywhere in the text, before YAML is read.',
    '  Variables that are not set stay as they are; only those that begin with `NODEPOOL_` are looked at.',
    '- The YAML is that of version 1.1: `yes` and `on` are booleans, `017` is 15, `1:30` is 90, `2024-01-31` is a date and',
    '  `1e3` is text. Put names that look like something else in quotes.',
    '- Where an integer is wanted `true` counts as 1, with a warning. Where a number with a decimal point is wanted an integer',
    '  is refused, as by the Python Nodepool.',
    '- Unknown keys are refused, by the commands and the daemons.',
    '- A provider whose name begins with `fake` is of driver fake, whatever it says.',
    '',
    '`nodepool config-validate` says what is wrong, all of it, with its place. What has the right form and yet cannot be used',
    '(a label that no section declares, for instance) it tells without failing, as the Python one accepts such files; with',
    '`--strict` it fails for that and for warnings. The daemons refuse both.',
    '',
    '`nodepool config-schema` prints a JSON Schema. With the YAML language server, editors use it when the file begins with',
    '`# yaml-language-server: $schema=nodepool.schema.json`.',
  ];
}
