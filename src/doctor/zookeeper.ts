/** ZooKeeper itself: servers that do not answer, slow answers, and what a server tells about itself (`mntr`). */
import type { NodepoolConfig } from '../config/model.ts';
import type { Runtime } from '../base/runtime.ts';
import { paths } from '../store/paths.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { diagnoseServers, targetsOf } from '../program/connection.ts';
import type { Finding } from './finding.ts';
import { askServer } from './server-word.ts';

const probes = 5;
const slowMs = 200;
const verySlowMs = 2000;
const manyOutstanding = 500;
const fullShare = 0.9;

export async function zookeeperFindings(
  client: ZooKeeper,
  config: NodepoolConfig,
  runtime: Runtime,
): Promise<Finding[]> {
  const [latency, unreachable, servers] = await Promise.all([
    latencyFindings(client, runtime),
    unreachableFindings(config),
    monitorFindings(config, runtime),
  ]);
  return [...latency, ...unreachable, ...servers];
}

export function unreachable(message: string): Finding {
  return {
    severity: 'critical',
    check: 'zookeeper-unreachable',
    subject: 'zookeeper',
    problem: 'ZooKeeper cannot be reached',
    reasons: [message],
    sinceMs: null,
    hint: 'without it nothing works: start it, or mend the way to it',
  };
}

async function latencyFindings(client: ZooKeeper, runtime: Runtime): Promise<Finding[]> {
  const took: number[] = [];
  for (let i = 0; i < probes; i++) {
    const beganMs = runtime.monotonicMs();
    await client.exists(paths.root);
    took.push(runtime.monotonicMs() - beganMs);
  }
  const median = took.sort((a, b) => a - b)[Math.floor(probes / 2)]!;
  if (median < slowMs) return [];
  return [
    {
      severity: median < verySlowMs ? 'warning' : 'critical',
      check: 'zookeeper-slow',
      subject: 'zookeeper',
      problem: `ZooKeeper takes ${Math.round(median)} ms for an answer`,
      reasons: [],
      sinceMs: null,
      hint: 'look at its load, its disks and the network; every step of every node waits for it',
    },
  ];
}

/** This session shows that one member is well. The others are asked, because an ensemble needs a majority. */
async function unreachableFindings(config: NodepoolConfig): Promise<Finding[]> {
  if (config.zookeeper.servers.length < 2) return [];
  return (await diagnoseServers(config)).map(({ problem }) => ({
    severity: 'warning',
    check: 'zookeeper-server',
    subject: 'zookeeper',
    problem: 'a ZooKeeper server cannot be reached from here',
    reasons: [problem],
    sinceMs: null,
    hint: 'an ensemble of three bears the loss of one, not of two',
  }));
}

async function monitorFindings(config: NodepoolConfig, runtime: Runtime): Promise<Finding[]> {
  const all = await Promise.all(
    serversOf(config).map(async (target) => {
      const answer = await askServer(target, 'mntr', runtime);
      return answer === null ? [] : judge(`${target.host}:${target.port}`, answer);
    }),
  );
  return all.flat();
}

function serversOf(config: NodepoolConfig) {
  if (config.zookeeper.servers.length > 0) return targetsOf(config);
  const port = readAddress(config.coordinator.dataDir)?.port;
  return typeof port === 'number' ? [{ host: '127.0.0.1', port }] : [];
}

/** Judges a server by its answer to `mntr`. Apache's servers answer that word only where it is allowed. */
export function judge(server: string, answer: string): Finding[] {
  const base = { check: 'zookeeper-server', subject: `zookeeper ${server}`, reasons: [], sinceMs: null };
  if (answer.includes('not currently serving')) {
    return [
      {
        ...base,
        severity: 'critical',
        problem: 'the server is there, but serves no requests',
        hint: 'it has no quorum, or it cannot write to its disk: its log says which',
      },
    ];
  }
  const values = new Map(
    answer.split('\n').flatMap((line): [string, number][] => {
      const [, name, value] = /^zk_(\w+)\t(\d+(?:\.\d+)?)$/.exec(line.trim()) ?? [];
      return name === undefined || value === undefined ? [] : [[name, Number(value)]];
    }),
  );
  const found: Finding[] = [];
  const outstanding = values.get('outstanding_requests') ?? 0;
  if (outstanding > manyOutstanding) {
    found.push({
      ...base,
      severity: 'warning',
      problem: `${outstanding} requests wait within the server`,
      hint: 'it is overloaded, or its disk is slow',
    });
  }
  const open = values.get('open_file_descriptor_count');
  const most = values.get('max_file_descriptor_count');
  if (open !== undefined && most !== undefined && most > 0 && open > most * fullShare) {
    found.push({
      ...base,
      severity: 'warning',
      problem: `${open} of at most ${most} file descriptors are open`,
      hint: 'it will refuse connections soon: raise its limit, or see who opens so many',
    });
  }
  const slowest = values.get('max_commit_time') ?? 0;
  if (slowest > verySlowMs) {
    found.push({
      ...base,
      severity: 'info',
      problem: `a write to its disk has once taken ${slowest} ms`,
      hint: 'its data directory belongs on a disk of its own',
    });
  }
  return found;
}
