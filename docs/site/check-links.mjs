/**
 * Follows every link between the built pages: the page or file must be there, and the heading that it names. The folder of
 * the pages may be given.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = process.argv[2] ?? fileURLToPath(new URL('dist', import.meta.url));
const files = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.html') && name !== '404.html');
const text = new Map(files.map((name) => [name, readFileSync(join(dist, name), 'utf8')]));
const anchors = new Map([...text].map(([name, html]) => [name, new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]));

function trouble(from, href) {
  const [path, anchor] = href.split('#');
  const target = path === '' ? from : path.startsWith('/') ? path.slice(1) : join(dirname(from), path);
  const file = target === '' || target.endsWith('/') ? `${target}index.html` : target;
  if (!existsSync(join(dist, file))) return 'no such page';
  return anchor && !anchors.get(file)?.has(decodeURIComponent(anchor)) ? 'no such heading' : null;
}

let followed = 0;
const broken = [...text].flatMap(([from, html]) =>
  [...html.matchAll(/<a [^>]*?href="([^"]*)"/g)]
    .map(([, href]) => href.replaceAll('&amp;', '&'))
    .filter((href) => !/^[a-z]+:/.test(href))
    .flatMap((href) => {
      followed += 1;
      const what = trouble(from, href);
      return what ? [`${from}: ${href}: ${what}`] : [];
    }),
);
for (const line of new Set(broken)) console.error(line);
console.log(`${files.length} pages, ${followed} links, ${broken.length} broken`);
if (files.length === 0) console.error(`there are no pages in ${dist}: has the site been built?`);
process.exitCode = broken.length > 0 || files.length === 0 ? 1 : 0;
