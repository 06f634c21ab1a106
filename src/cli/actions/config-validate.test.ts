import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { judgeConfig } from './config-validate.ts';

const directory = fileURLToPath(new URL('../../../test/broken-configurations/', import.meta.url));
const names = readdirSync(directory)
  .filter((file) => file.endsWith('.yaml') && !file.endsWith('.secure.yaml'))
  .map((file) => file.slice(0, -'.yaml'.length));

function judge(name: string, strict = false): { text: string; status: number } {
  const secure = `${directory}${name}.secure.yaml`;
  const { lines, status } = judgeConfig({
    config: `${directory}${name}.yaml`,
    ...(existsSync(secure) ? { secure } : {}),
    env: {},
    strict,
  });
  return { text: lines.map((line) => `${line.replaceAll(directory, '')}\n`).join(''), status };
}

describe('broken configurations', () => {
  test('there are 60 of them at least, each with what a user sees', () => {
    expect(names.length).toBeGreaterThanOrEqual(60);
    const texts = readdirSync(directory).filter((file) => file.endsWith('.txt'));
    expect(texts.map((file) => file.slice(0, -'.txt'.length)).sort()).toEqual([...names].sort());
  });

  test.each(names)('%s', async (name) => {
    const { text, status } = judge(name);
    expect(status).toBe(/is valid/.test(text) ? 0 : 1);
    expect(text).not.toContain('secret-value');
    await expect(text).toMatchFileSnapshot(`${directory}${name}.txt`);
  });
});

test('a strict judge fails for what the daemons refuse, and for warnings', () => {
  expect([judge('zookeeper-server-without-host').status, judge('true-as-number').status]).toEqual([0, 0]);
  expect([judge('zookeeper-server-without-host', true).status, judge('true-as-number', true).status]).toEqual([1, 1]);
});

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));

test.each(readdirSync(examples))('the example %s is beyond reproach', (name) => {
  const { lines, status } = judgeConfig({ config: `${examples}${name}`, env: {}, strict: true });
  expect(lines).toEqual([`${examples}${name}: the configuration is valid`]);
  expect(status).toBe(0);
});
