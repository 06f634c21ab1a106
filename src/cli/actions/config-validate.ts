/** config-validate: what the configuration's form, its references and this version's drivers say against it. */
import { ConfigError, type ConfigIssue, formatIssue } from '../../config/yaml/errors.ts';
import { validate } from '../../config/load.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { driverDefinitions, notBuilt } from '../../drivers/catalogue.ts';

export function configValidate(globals: GlobalOptions, strict: boolean): number {
  const { lines, status } = judgeConfig({ ...globals, env: process.env, strict });
  for (const line of lines) console.error(line);
  return status;
}

interface JudgedConfig {
  readonly config: string;
  readonly secure?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly strict: boolean;
}

/** Like the Python validator this one judges the form. What only the daemons refuse is told, but fails only with `strict`. */
export function judgeConfig(options: JudgedConfig): { readonly lines: string[]; readonly status: number } {
  try {
    const { config, warnings, refusals } = validate({
      path: options.config,
      securePath: options.secure,
      env: options.env,
      drivers: driverDefinitions,
    });
    const refused = refusals.length > 0;
    const butWarned = options.strict && warnings.length > 0 ? ', but --strict bears no warning' : '';
    return {
      lines: [
        ...warningLines(warnings),
        ...notBuilt(config).map((provider) => `note: ${provider}`),
        ...refusals.map((refusal) => `refused by the daemons: ${formatIssue(refusal)}`),
        `${options.config}: the configuration is valid${refused ? ', but the daemons refuse it' : butWarned}`,
      ],
      status: options.strict && (refused || warnings.length > 0) ? 1 : 0,
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { lines: [...warningLines(error.warnings), ...error.issues.map(formatIssue)], status: 1 };
  }
}

const warningLines = (warnings: readonly ConfigIssue[]) =>
  warnings.map((warning) => `warning: ${formatIssue(warning)}`);
