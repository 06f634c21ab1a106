import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const checker = fileURLToPath(new URL('../../docs/site/check-links.mjs', import.meta.url));

function check(pages: Readonly<Record<string, string>>) {
  const dist = mkdtempSync(join(tmpdir(), 'nodepool-site-'));
  onTestFinished(() => rmSync(dist, { recursive: true, force: true }));
  for (const [name, html] of Object.entries(pages)) writeFileSync(join(dist, name), html);
  const { status, stdout, stderr } = spawnSync(process.execPath, [checker, dist], { encoding: 'utf8' });
  return { status, stdout, stderr: stderr.replaceAll(dist, '') };
}

const page = '<h1 id="top">One</h1> <a href="/two.html#top">two</a>';

it('follows links to pages and headings', () => {
  expect(check({ 'index.html': page, 'two.html': page })).toEqual({
    status: 0,
    stdout: '2 pages, 2 links, 0 broken\n',
    stderr: '',
  });
  expect(check({ 'index.html': page })).toMatchObject({
    status: 1,
    stderr: 'index.html: /two.html#top: no such page\n',
  });
  expect(check({ 'index.html': page, 'two.html': '' })).toMatchObject({
    status: 1,
    stderr: 'index.html: /two.html#top: no such heading\n',
  });
});

it('no pages at all are no success', () => {
  expect(check({})).toMatchObject({ status: 1, stderr: expect.stringContaining('there are no pages in') as string });
});
