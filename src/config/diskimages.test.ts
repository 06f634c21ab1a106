import { expect, test } from 'vitest';
import { fakeConfig } from '../drivers/fake/config.ts';
import { loadYaml } from './testing/load-yaml.ts';

const images = (text: string, secure?: string) =>
  loadYaml(`diskimages:\n${text}`, [fakeConfig], secure).config.diskimages;

const family = `
  - name: grandparent
    abstract: true
    elements: [a]
    env-vars: {ONE: "1", TWO: "1"}
    metadata: {lost: true}
    formats: [raw]
    keep-formats: [raw]
    delete-after-upload: true
    pause: true
    rebuild-age: 60
    build-timeout: 50
    release: 8
    dib-cmd: build
    username: admin
    python-path: /python
  - name: child
    parent: parent
    elements: [c]
    env-vars: {TWO: "2", THREE: "3"}
  - name: parent
    parent: grandparent
    elements: [b]
    formats: []
    pause: false
    rebuild-age: 0
    delete-after-upload: false
`;

test('an image has what its parents have, the eldest first, and its own before that', () => {
  expect(images(family).get('child')).toEqual({
    name: 'child',
    elements: ['a', 'b', 'c'],
    envVars: { ONE: '1', TWO: '2', THREE: '3' },
    metadata: {},
    formats: ['raw'],
    keepFormats: ['raw'],
    deleteAfterUpload: false,
    // Cannot be undone.
    pause: true,
    rebuildAgeMs: 60_000,
    buildTimeoutMs: 50_000,
    release: '8',
    dibCommand: 'build',
    username: 'admin',
    pythonPath: '/python',
    shellType: null,
  });
});

test('abstract images are not built, others have the defaults', () => {
  const all = images('  - {name: x, metadata: {a: 1}}\n  - {name: y, abstract: true}\n');
  expect([...all.keys()]).toEqual(['x']);
  expect(all.get('x')).toMatchObject({
    metadata: { a: 1 },
    username: 'zuul',
    pythonPath: 'auto',
    rebuildAgeMs: 86_400_000,
    buildTimeoutMs: 28_800_000,
    dibCommand: 'disk-image-create',
    release: '',
    deleteAfterUpload: false,
  });
});

test('the secure file adds to the environment of builds', () => {
  const secure = 'diskimages:\n  - name: x\n    env-vars: {TOKEN: "s", A: "2"}\n';
  expect(images('  - {name: x, env-vars: {A: "1", B: "1"}}\n', secure).get('x')?.envVars).toEqual({
    A: '2',
    B: '1',
    TOKEN: 's',
  });
});

test('a ring of parents, and a secret for an image that is not there, are refused', () => {
  expect(() => images('  - {name: a, parent: b}\n  - {name: b, parent: a}\n')).toThrow(/among its own parents/);
  expect(() => images('  - {name: a, abstract: true}\n', 'diskimages: [{name: a, env-vars: {}}]\n')).toThrow(
    /secure\.yaml:1:21: diskimages\[0\]\.name: there is no diskimage a in the main file/,
  );
});
