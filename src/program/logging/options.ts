/** The options about the log that all programs have on their command line. */
import { Option } from 'commander';

export const formatVariable = 'NODEPOOL_LOG_FORMAT';
export const levelVariable = 'NODEPOOL_LOG_LEVEL';

export const logFormatOption = () =>
  new Option('--log-format <format>', `of log lines; default: ${formatVariable}, or human`).choices(['human', 'json']);

export const logLevelOption = () =>
  new Option(
    '--log-level <level>',
    'LEVEL or LOGGER=LEVEL, such as nodepool.driver.aws=debug; repeat for several',
  ).argParser((value: string, all: readonly string[] | undefined) => [...(all ?? []), value]);
