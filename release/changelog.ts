/** The changelog: what is unreleased becomes the section of a version, under which a new release notes what comes next. */

const unreleased = '## Unreleased';

/** Throws where nothing has been noted. */
export function withRelease(changelog: string, version: string, date: string): string {
  const [before, after] = changelog.split(`${unreleased}\n`);
  if (before === undefined || after === undefined) throw new Error(`the changelog has no section "${unreleased}"`);
  if (notesIn(after) === '') throw new Error('the changelog says nothing about this release');
  return `${before}${unreleased}\n\n## ${version} (${date})\n${after}`;
}

/** What the changelog says about a version. */
export function notesOf(changelog: string, version: string): string {
  const [, after] = changelog.split(new RegExp(`^## ${version.replaceAll('.', '\\.')} .*\n`, 'm'));
  if (after === undefined) throw new Error(`the changelog says nothing about ${version}`);
  return notesIn(after);
}

const notesIn = (text: string): string => text.split(/^## /m)[0]!.trim();
