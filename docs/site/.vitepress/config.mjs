/** The documentation as a web site: the Markdown files of the repository where they lie, nothing written twice. */
import { copyFile, mkdir } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const pages = (text, link) => ({ text, link });

/** All pages of a folder. */
const pagesOf = (folder) =>
  readdirSync(join(root, 'docs', folder))
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .map((name) => pages(name.slice(0, -3), `/${folder}/${name.slice(0, -3)}`));

/** Where a file of the repository stands in the site. */
const sitePath = (path) =>
  path
    .replace(/^docs\//, '')
    .replace(/^packages\/zookeeper\/README\.md$/, 'zookeeper.md')
    .replace(/(^|\/)README\.md$/, '$1index.md');

/** Files that pages link to and that are no pages, such as examples: they come along, under the same path. */
const companions = new Set();

/** Links are written for who reads the files in the repository; here they lead to the same thing in the site. */
function followIntoSite(markdown) {
  markdown.core.ruler.push('into-site', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : '';
      if (!href || /^[a-z]+:|^#/.test(href)) continue;
      const [path, anchor] = href.split('#');
      const target = posix.join(posix.dirname(relative(root, env.path)), path);
      token.attrSet('href', `/${sitePath(target)}${anchor === undefined ? '' : `#${anchor}`}`);
      if (target.endsWith('.md')) continue;
      companions.add(target);
      token.attrSet('target', '_self');
    }
  });
}

/** The pages lie outside of this package, so that what they are made into would look for Vue in the wrong place. */
const vueFromHere = {
  name: 'vue-from-here',
  enforce: 'pre',
  resolveId(source, _importer, { ssr }) {
    if (!/^vue(\/|$)/.test(source)) return undefined;
    return ssr ? { id: source, external: true } : this.resolve(source, fileURLToPath(import.meta.url), { skipSelf: true });
  },
};

export default defineConfig({
  title: 'Nodepool',
  description: 'Launches, keeps and hands out single-use test nodes for CI systems',
  srcDir: root,
  srcExclude: ['test/**', 'contrib/**', 'bench/**', 'docs/site/**', '.*/**'],
  outDir: join(root, 'docs/site/dist'),
  cacheDir: join(root, 'docs/site/node_modules/.cache'),
  rewrites: sitePath,
  // Those between the built pages are followed one by one, with their headings, by check-links.mjs.
  ignoreDeadLinks: true,
  vite: { plugins: [vueFromHere] },
  markdown: { html: false, config: followIntoSite },
  async buildEnd({ outDir }) {
    for (const path of companions) {
      const target = join(outDir, sitePath(path));
      await mkdir(dirname(target), { recursive: true });
      await copyFile(join(root, path), target);
    }
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      {
        text: 'First steps',
        items: [
          pages('Overview', '/'),
          pages('Quick start', '/quick-start'),
          pages('Installation', '/installation'),
          pages('From the Python Nodepool', '/migration'),
        ],
      },
      {
        text: 'Running it',
        items: [
          pages('Operation', '/operation'),
          pages('HTTP interface', '/http'),
          pages('Monitoring', '/monitoring'),
          pages('Logging', '/logging'),
          pages('Tracing', '/tracing'),
          pages('Tuning', '/tuning'),
          pages('Security', '/security'),
          pages('Containers as nodes', '/kubernetes'),
        ],
      },
      {
        text: 'Reference',
        items: [
          pages('Commands', '/reference/commands'),
          { ...pages('Configuration', '/reference/configuration/'), collapsed: true, items: pagesOf('reference/configuration') },
          pages('Error codes', '/reference/errors'),
          pages('Changes', '/CHANGELOG'),
        ],
      },
      {
        text: 'Inside',
        items: [
          pages('Architecture', '/architecture'),
          pages('Performance', '/performance'),
          pages('Reliability', '/reliability'),
          pages('ZooKeeper library', '/zookeeper'),
          { text: 'Development', collapsed: true, items: pagesOf('development') },
          { text: 'Decisions', collapsed: true, items: pagesOf('decisions') },
          pages('Contributing', '/CONTRIBUTING'),
          pages('Releasing', '/releasing'),
        ],
      },
    ],
  },
});
