/**
 * One node from `building` to a usable instance: attempts with clean-up in between, time limits, host keys. It writes the
 * external id as soon as it is known; the last write (`ready`) is the caller's, since it goes with others in one transaction.
 */
import type { PoolConfig, PoolLabelConfig } from '../../config/model.ts';
import type { ExternalId, Instance, LaunchSpec, RequestView } from '../../driver-kit/contract.ts';
import { asProviderError, ProviderError } from '../../driver-kit/errors.ts';
import { idText } from '../../driver-kit/contract.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeFields } from '../../records/node.ts';
import { Backoff } from '../../base/backoff.ts';
import { type Runtime, sleep } from '../../base/runtime.ts';
import type { HeldNode } from '../../store/transactions/operations.ts';
import type { Span } from '../../telemetry/tracing.ts';
import { killPoint } from '../../base/kill-points.ts';
import type { ProviderPort } from '../pools/provider-port.ts';
import type { AttemptEnd, AttemptResult } from './outcomes.ts';
import { Steps } from './traces.ts';
import type { ResumableLaunch, StoredLaunch } from './stored-launch.ts';
import type { OwnErrorCode } from '../../base/error-codes.ts';

export interface NodeLaunch {
  readonly node: HeldNode;
  readonly provider: ProviderPort;
  readonly pool: PoolConfig;
  readonly label: PoolLabelConfig;
  readonly imageExternalId: string | null;
  readonly request: RequestView | null;
  /** Asked for each attempt. */
  readonly zone: () => string | null;
  /** A launch that another launcher began. */
  readonly resume: ResumableLaunch | null;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** The request's. */
  readonly span: Span;
  readonly signal: AbortSignal;
  /** Told of the end of each attempt; returns how long not to try again there at least (milliseconds). */
  readonly onAttempt: (end: AttemptEnd) => number;
  /** Told of each step in words, for `explain`. */
  readonly onProgress: (text: string) => void;
}

export type LaunchOutcome =
  | { readonly kind: 'launched'; readonly fields: NodeFields }
  /** Refused for quota: not a failure, to be tried again with a new node. */
  | { readonly kind: 'aborted'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The lock is gone or the launcher stops: nothing may be written any more. */
  | { readonly kind: 'lost'; readonly reason: string };

const removalTimeoutMs = 600_000;
/** A creation whose answer nobody waits for is an instance that only leak detection finds. */
const creationGraceMs = 1500;

/** The session or a lock is lost: what was locked belongs to nobody now. As the reason of the signal or as an error. */
export class LockLostError extends Error {
  readonly code = 'lock-lost' satisfies OwnErrorCode;
}

export async function launchNode(o: NodeLaunch): Promise<LaunchOutcome> {
  const release = o.provider.hold();
  try {
    return await launch(o);
  } finally {
    release();
  }
}

async function launch(o: NodeLaunch): Promise<LaunchOutcome> {
  const attempts = Math.max(1, o.provider.config.launchRetries);
  const backoff = backoffOf(o);
  for (let attempt = o.resume?.attempt ?? 1; ; attempt++) {
    const startedMs = o.runtime.monotonicMs();
    const resume = attempt === o.resume?.attempt ? o.resume : null;
    const zone = resume ? resume.az : o.zone();
    const span = attemptSpan(o, attempt, zone, resume !== null);
    const steps = new Steps(span);
    const report = (result: AttemptResult, said = '', retryAfterMs = 0) => {
      span.set({ 'nodepool.outcome': result });
      if (result !== 'ready') {
        steps.fail(result, said);
        span.fail(result, said);
      }
      span.end();
      return o.onAttempt({ result, said, retryAfterMs, zone, tookMs: o.runtime.monotonicMs() - startedMs });
    };
    try {
      const fields = await attemptLaunch(o, { attempt, zone, resume, span, steps });
      report('ready');
      return { kind: 'launched', fields };
    } catch (error) {
      if (error instanceof LockLostError || o.signal.aborted || !o.node.held) {
        // Stopping in order is no failure.
        if (!o.signal.aborted || o.signal.reason instanceof LockLostError) {
          report('session');
        } else {
          span.set({ 'nodepool.outcome': 'stopped' });
          steps.end();
          span.end();
        }
        return { kind: 'lost', reason: 'the lock on the node is lost or the launcher stops' };
      }
      const failure = asProviderError(error);
      const notBeforeMs = report(failure.code, failure.message, failure.retryAfterMs);
      o.log.warn(
        {
          nodeId: o.node.id,
          requestId: o.request?.id,
          provider: o.provider.name,
          attempt,
          attempts,
          code: failure.code,
          err: failure,
        },
        'Launch attempt failed',
      );
      if (failure.code === 'quota') {
        o.provider.invalidateQuota();
        return { kind: 'aborted', reason: failure.message };
      }
      if (attempt >= attempts) {
        return { kind: 'failed', reason: `${attempts} launch attempts failed; the last one: ${failure.message}` };
      }
      o.onProgress(`launch attempt ${attempt} of ${attempts} failed: ${failure.message}`);
      const cleaned = await cleanUp(o, failure, backoff, notBeforeMs);
      if (!cleaned) return { kind: 'lost', reason: 'the launcher stops' };
    }
  }
}

function attemptSpan(o: NodeLaunch, attempt: number, zone: string | null, resumed: boolean): Span {
  return o.span.child('LaunchNode', {
    'nodepool.node.id': o.node.id,
    'nodepool.provider': o.provider.name,
    'nodepool.pool': o.pool.name,
    'nodepool.label': o.label.name,
    'nodepool.attempt': attempt,
    'nodepool.attempt.resumed': resumed,
    'cloud.availability_zone': zone,
  });
}

interface Attempt {
  readonly attempt: number;
  readonly zone: string | null;
  readonly resume: ResumableLaunch | null;
  readonly span: Span;
  readonly steps: Steps;
}

async function attemptLaunch(o: NodeLaunch, { attempt, zone, resume, span, steps }: Attempt): Promise<NodeFields> {
  const spec: LaunchSpec = {
    hostname: `np${o.node.id}`,
    nodeId: o.node.id,
    poolName: o.pool.name,
    label: o.label,
    imageExternalId: o.imageExternalId,
    metadata: {
      nodepool_node_id: o.node.id,
      nodepool_pool_name: o.pool.name,
      nodepool_provider_name: o.provider.name,
    },
    request: o.request,
    availabilityZone: zone,
    attempt,
  };
  const doing = resume ? 'going on with the launch of a launcher that has gone' : 'launching';
  o.onProgress(`${doing}, attempt ${attempt} of ${o.provider.config.launchRetries}`);
  if (!resume) killPoint('before-create');
  steps.begin(resume ? 'AwaitInstance' : 'CreateInstance');
  const started = o.runtime.monotonicMs();
  const instance = await o.provider.launch(spec, {
    timeoutMs: o.provider.config.launchTimeoutMs,
    signal: o.signal,
    graceMs: creationGraceMs,
    ...(resume ? { resume: resume.state, resumeExternalId: resume.externalId } : {}),
    onExternalId: async (externalId, state) => {
      killPoint('before-external-id');
      const machine: StoredLaunch = { attempt, az: zone, state };
      const written = await o.node.write({ externalId, machine });
      if (!written.ok) throw new LockLostError(`node ${o.node.id}: ${written.reason}`);
      span.set({ 'nodepool.external_id': idText(externalId) });
      steps.begin('AwaitInstance');
      killPoint('after-external-id');
    },
  });
  killPoint('after-boot');
  const hostKeys = instance.hostKeys ?? (await scan(o, instance, started, steps));
  steps.end();
  killPoint('after-scan');
  return readyFields(o, instance, zone, hostKeys);
}

async function scan(o: NodeLaunch, instance: Instance, started: number, steps: Steps): Promise<readonly string[]> {
  if (!o.label.hostKeyChecking) return [];
  steps.begin('ScanHostKeys');
  const address = interfaceIp(o.pool, instance);
  if (address === null) throw new ProviderError('network', 'the instance has no address');
  o.onProgress(`waiting for ${address} to answer`);
  const left = o.provider.config.launchTimeoutMs - (o.runtime.monotonicMs() - started);
  const port = instance.connectionPort ?? o.label.connection.connectionPort;
  try {
    return await o.provider.scanHostKeys(
      {
        address,
        port: typeof port === 'number' ? port : 22,
        connectionType: instance.connectionType ?? o.label.connection.connectionType,
      },
      { timeoutMs: Math.max(0, Math.min(o.provider.config.bootTimeoutMs, left)), signal: o.signal },
    );
  } catch (error) {
    if (o.label.consoleLog) await logConsole(o, instance.externalId);
    // Stopping says nothing about the host.
    if (!o.signal.aborted) await o.provider.unreachable(instance.externalId, o.signal);
    throw error;
  }
}

async function logConsole(o: NodeLaunch, externalId: ExternalId): Promise<void> {
  try {
    const text = await o.provider.consoleLog(o.label, externalId, o.signal);
    for (const line of (text ?? '').split('\n').slice(-500)) {
      o.log.info({ nodeId: o.node.id, line }, 'Console of the instance');
    }
  } catch (error) {
    o.log.warn({ nodeId: o.node.id, err: error }, 'The console log could not be read');
  }
}

/**
 * Removes what a failed attempt left, so that there are never two instances for one node, and pauses. False: the launcher
 * stops.
 */
async function cleanUp(o: NodeLaunch, failure: ProviderError, backoff: Backoff, notBeforeMs: number): Promise<boolean> {
  const left = (failure.externalId ?? o.node.node.externalId) as ExternalId | null | undefined;
  // A process that has stood still may not know yet that its session has ended, and that others have gone on with it.
  if (left !== null && left !== undefined && !(await o.node.confirm())) return false;
  if (o.provider.attemptsHaveOwnNames) removeBehind(o, left);
  else if (!(await removeLeft(o, left))) return false;
  return pause(o, backoff, Math.max(notBeforeMs, failure.retryAfterMs ?? 0));
}

/** The next attempt need not wait for it. What is not removed here, for the launcher has died, is found as a leak. */
function removeBehind(o: NodeLaunch, left: ExternalId | null | undefined): void {
  const release = o.provider.hold();
  void removeLeft(o, left).finally(release);
}

async function removeLeft(o: NodeLaunch, left: ExternalId | null | undefined): Promise<boolean> {
  if (left === null || left === undefined) return true;
  const span = o.span.child('RemoveInstance', { 'nodepool.node.id': o.node.id, 'nodepool.external_id': idText(left) });
  try {
    return await removeTillDone(o, left, span);
  } finally {
    span.end();
  }
}

async function removeTillDone(o: NodeLaunch, left: ExternalId, span: Span): Promise<boolean> {
  const backoff = backoffOf(o);
  for (;;) {
    try {
      await o.provider.remove(left, { timeoutMs: removalTimeoutMs, signal: o.signal });
      return true;
    } catch (error) {
      if (o.signal.aborted) return false;
      const { code, message } = asProviderError(error);
      span.fail(code, message);
      o.log.warn({ nodeId: o.node.id, externalId: left, err: error }, 'Removing a failed attempt failed, trying again');
      if (!(await pause(o, backoff))) return false;
    }
  }
}

function backoffOf({ runtime }: NodeLaunch): Backoff {
  return new Backoff({ runtime, firstMs: 200, mostMs: 30_000 });
}

/** False: the launcher stops. */
async function pause(o: NodeLaunch, backoff: Backoff, atLeastMs = 0): Promise<boolean> {
  return sleep(o.runtime, Math.max(atLeastMs, backoff.nextMs()), o.signal).then(
    () => true,
    () => false,
  );
}

function interfaceIp(pool: PoolConfig, instance: Instance): string | null {
  return (pool.useInternalIp && instance.privateIpv4) || instance.interfaceIp;
}

function readyFields(o: NodeLaunch, instance: Instance, zone: string | null, hostKeys: readonly string[]): NodeFields {
  const port = instance.connectionPort;
  return {
    externalId: instance.externalId,
    interfaceIp: interfaceIp(o.pool, instance),
    publicIpv4: instance.publicIpv4 ?? null,
    privateIpv4: instance.privateIpv4 ?? null,
    publicIpv6: instance.publicIpv6 ?? null,
    cloud: instance.cloud ?? null,
    az: instance.availabilityZone ?? zone,
    region: instance.region ?? null,
    hostId: instance.hostId ?? null,
    driverData: instance.driverData ?? null,
    slot: instance.slot ?? null,
    nodeProperties: instance.nodeProperties ?? {},
    resources: instance.resources,
    hostKeys,
    ...(instance.nodeAttributes ? { attributes: { ...instance.nodeAttributes, ...o.pool.nodeAttributes } } : {}),
    ...(instance.username === undefined ? {} : { username: instance.username }),
    ...(instance.pythonPath === undefined ? {} : { pythonPath: instance.pythonPath }),
    ...(instance.shellType === undefined ? {} : { shellType: instance.shellType }),
    ...(port === undefined ? {} : { connectionPort: port }),
    ...(instance.connectionType === undefined ? {} : { connectionType: instance.connectionType }),
    machine: null,
  };
}
