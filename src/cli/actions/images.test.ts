/** The commands about images, on a tree in the embedded coordinator. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { parseBuild, parseUpload } from '../../records/image.ts';
import { encodeNode, newNode } from '../../records/node.ts';
import { startFakeCloudServer } from '../../drivers/fake/fake-cloud-server.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { configFile, coordinatorIn, run, temporaryDirectory } from '../testing/command-line.ts';

const build1 = '0123456789abcdef0123456789abcdef';
const build2 = '0000000002';
const upload = '0000000003';

let directory: string;
let file: string;
let zk: ZooKeeper;

beforeEach(async () => {
  directory = temporaryDirectory();
  const dataDir = `${directory}/data`;
  zk = await coordinatorIn(dataDir);
  file = configFile(
    directory,
    `coordinator: {data-dir: ${dataDir}}
elements-dir: /elements
images-dir: /images
diskimages:
  - {name: base, abstract: true}
  - {name: debian-13, elements: [vm]}
  - {name: asleep, elements: [vm], pause: true}
`,
  );
});

const nodepool = (...argv: string[]) => run('-c', file, ...argv);

async function put(path: string, value: object | string): Promise<void> {
  await zk.ensurePath(path);
  await zk.set(path, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
}

const uploadAt = (build: string, provider: string, id: string) =>
  `${paths.uploads('debian-13', build, provider)}/${id}`;

async function fill(): Promise<void> {
  const document = { state: 'ready', state_time: 1000.75, builder: 'b1', formats: 'raw,qcow2', big: 1 };
  await put(
    paths.build('debian-13', build1),
    JSON.stringify(document).replace('"big":1', '"big":12345678901234567890'),
  );
  await put(paths.build('debian-13', build2), { state: 'building', state_time: 2000 });
  await put(paths.build('debian-13', 'broken'), '{');
  await put(paths.buildLock('debian-13'), '');
  const ready = { state: 'ready', state_time: 1001, external_id: 'e1', external_name: 'n1', format: 'raw' };
  await put(uploadAt(build1, 'cloud1', upload), ready);
  await put(uploadAt(build1, 'cloud1', '0000000004'), { state: 'uploading', state_time: 1002 });
  await put(`${paths.uploads('debian-13', build1, 'cloud1')}/lock`, '');
  await put(paths.uploads('debian-13', build1, 'cloud2'), '');
}

describe('listings', () => {
  beforeEach(fill);

  it('list uploads', async () => {
    const { status, stdout } = await nodepool('image-list', '--format', 'json');
    expect(status).toBe(0);
    const base = { id: build1, provider: 'cloud1', image: 'debian-13' };
    expect(JSON.parse(stdout)).toEqual([
      { ...base, upload_id: upload, external_name: 'n1', external_id: 'e1', state: 'ready', age: 1001 },
      { ...base, upload_id: '0000000004', external_name: null, external_id: null, state: 'uploading', age: 1002 },
    ]);
  });

  it('list builds, and paused ones as paused whatever their state', async () => {
    const { stdout } = await nodepool('dib-image-list', '--format', 'yaml');
    expect(stdout).toContain(
      `- id: debian-13-${build1}\n  image: debian-13\n  builder: b1\n  formats:\n    - qcow2\n    - raw\n`,
    );
    expect(stdout).toContain('state: ready\n  age: 1000\n');
    expect(stdout).not.toContain('broken');
    await nodepool('image-pause', 'debian-13');
    const table = (await nodepool('dib-image-list')).stdout;
    expect(table.match(/\| paused \|/g)).toHaveLength(2);
    expect(table).toContain('| ID ');
    expect(table).toContain('| qcow2,raw |');
  });

  it('tell what builds are asked for, and which is under way', async () => {
    await put(paths.image('other'), '');
    expect(await status()).toMatchObject([
      { image: 'debian-13', paused: false, build_request: null, build_request_age: null },
      { image: 'other', paused: false },
    ]);
    await nodepool('image-build', 'debian-13');
    expect(await status()).toMatchObject([{ build_request: 'pending', build_request_age: expect.any(Number) }, {}]);
    await zk.create(`${paths.buildLock('debian-13')}/0123__lock__0000000000`, Buffer.alloc(0));
    expect(await status()).toMatchObject([{ build_request: 'pending' }, {}]);
    await put(paths.build('debian-13', 'ffff'), { state: 'building', state_time: 3000 });
    expect(await status()).toMatchObject([{ build_request: 'building' }, {}]);
  });

  const status = async (): Promise<unknown> => JSON.parse((await nodepool('image-status', '--format', 'json')).stdout);

  it('show a provider with its builds, also those without uploads', async () => {
    expect((await nodepool('info', 'cloud2')).stdout).toBe(`ZooKeeper data for provider cloud2

Image data:
+------------+----------------------------------+------------+
| Image Name | Build ID                         | Upload IDs |
+------------+----------------------------------+------------+
| debian-13  | ${build1} |            |
+------------+----------------------------------+------------+

Nodes:
+----+-----------+
| ID | Server ID |
+----+-----------+
+----+-----------+
`);
  });
});

describe('alien-image-list', () => {
  const marked = (build: string, provider = 'cloud1') => ({
    nodepool_build_id: build,
    nodepool_provider_name: provider,
  });
  let address: string;

  async function images(account: string, some: readonly object[]): Promise<string[]> {
    const put = { method: 'PUT', body: JSON.stringify({ images: some }) };
    expect((await fetch(`${address}/accounts/${account}/settings`, put)).status).toBe(200);
    const all = (await (await fetch(`${address}/accounts/${account}/images`)).json()) as { id: string }[];
    // The first one is there from the beginning.
    return all.slice(1).map(({ id }) => id);
  }

  const cloud = (name: string, account: string, at = address) => `
  - name: ${name}
    driver: fake
    cloud: fake
    fake-cloud: {address: '${at}', account: ${account}}
    cloud-images: []
    pools: []`;

  beforeEach(async () => {
    const server = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
    onTestFinished(() => server.close());
    address = `http://127.0.0.1:${server.port}`;
    const others = `
  - {name: hosts, driver: static, pools: []}
  - {name: slots, driver: metastatic, pools: []}`;
    const providers = [cloud('cloud1', 'shared'), cloud('cloud2', 'shared'), cloud('cloud3', 'own')].join('');
    writeFileSync(file, `${readFileSync(file, 'utf8')}providers:${providers}${others}\n`);
  });

  it('tells what a builder has left in the clouds, and nothing else', async () => {
    const [known, , left, deleting, elsewhere, unnamed] = await images('shared', [
      { name: 'known', metadata: marked(build1) },
      { name: 'of somebody else', metadata: {} },
      { name: 'left', metadata: marked('gone') },
      { name: 'deleting', metadata: marked(build1) },
      { name: 'elsewhere', metadata: marked(build1, 'cloud2') },
      { name: 'unnamed', metadata: { nodepool_build_id: 'b' } },
    ]);
    const [own] = await images('own', [{ name: 'own', metadata: marked(build1, 'an old name') }]);
    const ready = { state: 'ready', state_time: 1, external_name: 'n' };
    await put(uploadAt(build1, 'cloud1', upload), { ...ready, external_id: known });
    await put(uploadAt(build1, 'cloud1', '0000000004'), { ...ready, external_id: deleting, state: 'deleting' });
    // The id is that of another cloud: it says nothing about this one.
    await put(uploadAt(build1, 'cloud2', upload), { ...ready, external_id: left });

    const found = await nodepool('alien-image-list', '--format', 'json');
    expect(found).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(found.stdout)).toEqual([
      { provider: 'cloud1', name: 'left', image_id: left },
      { provider: 'cloud1', name: 'deleting', image_id: deleting },
      { provider: 'cloud1', name: 'unnamed', image_id: unnamed },
      { provider: 'cloud2', name: 'elsewhere', image_id: elsewhere },
      { provider: 'cloud2', name: 'unnamed', image_id: unnamed },
      { provider: 'cloud3', name: 'own', image_id: own },
    ]);
    expect((await nodepool('alien-image-list', 'cloud3')).stdout).toBe(
      [
        '+----------+------+----------------------------------+',
        '| Provider | Name | Image ID                         |',
      ]
        .concat('+----------+------+----------------------------------+', `| cloud3   | own  | ${own} |`)
        .concat('+----------+------+----------------------------------+', '')
        .join('\n'),
    );
    expect(JSON.parse((await nodepool('alien-image-list', 'hosts', '--format', 'json')).stdout)).toEqual([]);
  });

  it('tells of the others when a cloud does not answer, and says why', async () => {
    writeFileSync(file, `${readFileSync(file, 'utf8')}${cloud('away', 'x', 'http://127.0.0.1:1')}\n`);
    const [left] = await images('own', [{ name: 'left', metadata: marked('b', 'cloud3') }]);
    const { status, stdout, stderr } = await nodepool('alien-image-list', '--format', 'json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual([{ provider: 'cloud3', name: 'left', image_id: left }]);
    expect(stderr).toContain('nodepool: provider away: the fake cloud at 127.0.0.1:1 cannot be reached');
  });
});

describe('image-build', () => {
  it.each([
    ['base', 'not among the diskimages'],
    ['unknown', 'not among the diskimages'],
    ['asleep', 'is paused'],
  ])('refuses %s', async (image, why) => {
    const { status, stderr } = await nodepool('image-build', image);
    expect(status).toBe(1);
    expect(stderr).toContain(why);
    expect(await zk.exists(paths.buildRequest(image))).toBeNull();
  });
});

describe('image-pause', () => {
  it('and image-unpause may be repeated', async () => {
    await put(paths.image('debian-13'), '');
    for (const [command, there] of [
      ['image-pause', true],
      ['image-unpause', false],
    ] as const) {
      for (let time = 0; time < 2; time++) {
        expect(await nodepool(command, 'debian-13')).toEqual({ status: 0, stdout: '', stderr: '' });
        expect((await zk.exists(paths.imagePause('debian-13'))) !== null).toBe(there);
      }
    }
  });

  it.each(['debian-13', 'debian-13/builds', '..', ''])('fails for %j, which is no image yet', async (image) => {
    await put(paths.images, '');
    expect((await nodepool('image-pause', image)).status).toBe(1);
  });
});

describe('deleting', () => {
  beforeEach(fill);

  it('marks a build and keeps all else in its document to the digit', async () => {
    expect(await nodepool('dib-image-delete', `debian-13-${build1}`)).toEqual({ status: 0, stdout: '', stderr: '' });
    const { data } = await zk.get(paths.build('debian-13', build1));
    expect(parseBuild(data)).toMatchObject({ state: 'deleting', builder: 'b1', formats: ['qcow2', 'raw'] });
    expect(parseBuild(data)!.stateTime).toBeGreaterThan(1_700_000_000);
    expect(data.toString()).toContain('12345678901234567890');
  });

  it.each([
    [`debian-13-${build2}`, 0, 'Cannot delete a build in progress\n'],
    ['debian-13-ffff', 0, 'Build debian-13-ffff not found\n'],
    ['debian-13-broken', 0, 'Build debian-13-broken not found\n'],
    ['nodash', 1, ''],
  ])('of the build %s: status %i, %j', async (id, status, stdout) => {
    expect(await nodepool('dib-image-delete', id)).toMatchObject({ status, stdout });
    expect(parseBuild((await zk.get(paths.build('debian-13', build2))).data)?.state).toBe('building');
  });

  it.each([
    [upload, '', 'deleting'],
    ['0000000004', 'Cannot delete because image upload in progress\n', 'uploading'],
    ['0000000005', 'Image upload not found\n', null],
  ])('of the upload %s prints %j', async (id, stdout, state) => {
    const named = ['--provider', 'cloud1', '--image', 'debian-13', '--build-id', build1, '--upload-id', id];
    expect(await nodepool('image-delete', ...named)).toEqual({ status: 0, stdout, stderr: '' });
    if (state) expect(parseUpload((await zk.get(uploadAt(build1, 'cloud1', id))).data)?.state).toBe(state);
  });
});

describe('erase', () => {
  it('forgets uploads and nodes of one provider, also locked ones, and nothing else', async () => {
    await fill();
    await zk.ensurePath(paths.nodes);
    const nodes: string[] = [];
    for (const provider of ['cloud1', 'cloud2']) {
      const data = encodeNode(newNode({ state: 'in-use', provider }, systemRuntime.nowMs()));
      nodes.push((await zk.create(`${paths.nodes}/`, data, { mode: 'persistent-sequential' })).path);
      await zk.ensurePath(`${nodes.at(-1)}/lock`);
      await zk.create(`${nodes.at(-1)}/lock/a__lock__`, Buffer.alloc(0), { mode: 'ephemeral-sequential' });
    }
    const { status, stdout } = await nodepool('erase', '--force', 'cloud1');
    expect(status).toBe(0);
    expect(stdout).toBe('Erasing build data for cloud1...\nErasing node data for cloud1...\n');
    expect(await zk.exists(nodes[0]!)).toBeNull();
    expect(await zk.exists(nodes[1]!)).not.toBeNull();
    expect((await zk.children(paths.buildProviders('debian-13', build1))).children).toEqual(['cloud2']);
    expect(await zk.exists(paths.build('debian-13', build1))).not.toBeNull();
  });

  it.each(['../nodes', 'a/b'])('refuses the name %s', async (name) => {
    expect((await nodepool('erase', '--force', name)).status).toBe(1);
  });
});

describe('image data', () => {
  const saved = () => `${directory}/images.json`;

  it('comes back as it was, and later uploads get numbers beyond', async () => {
    await fill();
    await nodepool('image-pause', 'debian-13');
    expect(await nodepool('export-image-data', saved())).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(statSync(saved()).mode & 0o777).toBe(0o600);
    const data = JSON.parse(readFileSync(saved(), 'utf8')) as Record<string, string>;
    expect(Object.keys(data)).toHaveLength(6);
    await nodepool('erase', '--force', 'cloud1');
    for (const build of [build1, build2, 'broken'])
      await zk.delete(paths.build('debian-13', build)).catch(() => undefined);
    await zk.delete(paths.imagePause('debian-13'));
    expect(await nodepool('import-image-data', saved())).toEqual({ status: 0, stdout: '', stderr: '' });
    for (const [path, content] of Object.entries(data))
      expect((await zk.get(path)).data.toString(), path).toBe(content);
    const container = paths.uploads('debian-13', build1, 'cloud1');
    expect([...(await zk.children(container)).children].sort()).toEqual([upload, '0000000004']);
    const next = await zk.create(`${container}/`, Buffer.alloc(0), { mode: 'persistent-sequential' });
    expect(Number(next.path.slice(-10))).toBeGreaterThan(4);
  });

  it.each([
    ['{', 'is no JSON'],
    ['[]', 'a JSON object'],
    ['{"/nodepool/nodes/0000000000": "x"}', 'no path of'],
    ['{"/nodepool/images/../nodes/builds/x": "x"}', 'no path of'],
    [`{"/nodepool/images/a/pause": "", "/nodepool/images/a/builds/b": {}}`, 'is no string'],
    ['{"/nodepool/images/a/builds/b/providers/c/images/4000000000": ""}', 'no number that ZooKeeper gives'],
  ])('that is %s is refused before anything is written', async (text, why) => {
    writeFileSync(saved(), text);
    const { status, stderr } = await nodepool('import-image-data', saved());
    expect(status).toBe(1);
    expect(stderr).toContain(why);
    expect(stderr).not.toContain('    at ');
    expect(await zk.exists(paths.images)).toBeNull();
  });
});
