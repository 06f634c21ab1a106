/** The page of the error codes, from the catalogues of Nodepool and of the ZooKeeper library. */
import {
  clientErrors,
  coordinatorErrors,
  ownErrors as libraryErrors,
} from '@nodepool/zookeeper/internal/protocol/error-catalogue';
import { ownErrors, providerErrors } from '../../src/base/error-codes.ts';

interface ErrorEntry {
  readonly meaning: string;
  readonly retriable: boolean;
  readonly remedy: string;
}

interface Section {
  readonly title: string;
  readonly about: string;
  readonly errors: Readonly<Record<string, ErrorEntry>>;
}

export const sections: readonly Section[] = [
  {
    title: 'Of clouds and hosts',
    about:
      'The class is `ProviderError`. These codes are also the outcomes of launches in metrics and statsd. Where trying again helps, a launcher does so ' +
      'by itself, at the same place or another one, up to `launch-retries`; `quota` and `capacity` make the provider, or the zone, wait.',
    errors: providerErrors,
  },
  { title: "Nodepool's own", about: 'Each is the code of one class.', errors: ownErrors },
  {
    title: 'Of calls to ZooKeeper',
    about:
      'The class is `ZooKeeperError` of the ZooKeeper library, with a class of its own for each code. `server-N` is besides these: the server answered ' +
      "with ZooKeeper's error number N. The library never repeats a write by itself.",
    errors: clientErrors,
  },
  {
    title: 'Of the embedded coordinator',
    about: 'The class is `CoordinatorError` of the ZooKeeper library: why the coordinator does not start, or stops.',
    errors: coordinatorErrors,
  },
  { title: "The ZooKeeper library's others", about: 'Each is the code of one class.', errors: libraryErrors },
];

export const errorsReference = (): string =>
  [
    '# Error codes',
    '',
    '<!-- Made from src/base/error-codes.ts and packages/zookeeper/src/protocol/error-catalogue.ts: npm run docs:reference -->',
    '',
    'Every error of Nodepool has a stable `code`. Its message is for people and may change. *Again* says whether another attempt',
    'may succeed without anybody changing anything.',
    '',
    ...sections.flatMap(({ title, about, errors }) => [`## ${title}`, '', about, '', ...table(errors), '']),
  ].join('\n');

const table = (errors: Section['errors']): string[] => [
  '| code | meaning | again | what to do |',
  '|---|---|---|---|',
  ...Object.entries(errors).map(
    ([code, { meaning, retriable, remedy }]) =>
      `| \`${code}\` | ${meaning} | ${retriable ? 'yes' : 'no'} | ${remedy} |`,
  ),
];
