/** Runs a command with the connection data of nodes in its environment. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeRecord } from '../../records/node.ts';
import { signalStatus, type StopRequest } from '../../program/process.ts';

/** What a program needs to reach a node and to know where it is. */
export function connectionOf(node: NodeRecord) {
  return {
    id: node.id,
    label: node.labels,
    interface_ip: node.interfaceIp,
    connection_type: node.connectionType,
    connection_port: node.connectionPort,
    username: node.username,
    python_path: node.pythonPath,
    shell_type: node.shellType,
    host_keys: node.hostKeys,
    public_ipv4: node.publicIpv4,
    private_ipv4: node.privateIpv4,
    public_ipv6: node.publicIpv6,
    hostname: node.hostname,
    provider: node.provider,
    region: node.region,
    az: node.az,
    attributes: node.attributes,
  };
}

/** Lines of a known_hosts file; for a port other than 22 the address is in brackets. */
function knownHosts(nodes: readonly NodeRecord[]): string[] {
  return nodes.flatMap((node) => {
    const host = node.connectionPort === 22 ? node.interfaceIp : `[${node.interfaceIp}]:${portOf(node)}`;
    // A key of several lines could add hosts of its own, and anybody may have written the document.
    return node.hostKeys.filter((key) => !/[\r\n]/.test(key)).map((key) => `${host} ${key}`);
  });
}

/** Empty for nodes of Kubernetes, whose port is an object. */
function portOf(node: NodeRecord): string {
  const port = node.connectionPort;
  return typeof port === 'number' || typeof port === 'string' ? String(port) : '';
}

/** Single values are those of the first node; NODEPOOL_NODES_JSON has all nodes. */
function environmentOf(nodes: readonly NodeRecord[], knownHostsFile: string): Record<string, string> {
  const [first] = nodes;
  return {
    NODEPOOL_NODES_JSON: JSON.stringify(nodes.map(connectionOf)),
    NODEPOOL_KNOWN_HOSTS: knownHostsFile,
    NODEPOOL_NODE_IDS: nodes.map((node) => node.id).join(','),
    NODEPOOL_NODE_ID: first?.id ?? '',
    NODEPOOL_NODE_IP: first?.interfaceIp ?? '',
    NODEPOOL_NODE_PORT: first ? portOf(first) : '',
    NODEPOOL_NODE_USERNAME: first?.username ?? '',
    NODEPOOL_NODE_CONNECTION_TYPE: first?.connectionType ?? '',
    NODEPOOL_NODE_HOST_KEYS: (first?.hostKeys ?? []).join('\n'),
  };
}

/** Returns the command's status. A stop signal is passed on to the command, and its end is waited for. */
export async function runWith(nodes: readonly NodeRecord[], command: string, stop: StopRequest): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-request-'));
  try {
    const file = join(directory, 'known_hosts');
    writeFileSync(
      file,
      knownHosts(nodes)
        .map((line) => `${line}\n`)
        .join(''),
      { mode: 0o600 },
    );
    return await execute(command, { ...process.env, ...environmentOf(nodes, file) }, stop);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function execute(command: string, env: NodeJS.ProcessEnv, stop: StopRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'inherit', env });
    void stop.received.then((signal) => child.kill(signal));
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? signalStatus(signal ?? 'SIGTERM')));
  });
}
