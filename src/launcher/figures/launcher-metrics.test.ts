import { expect, it } from 'vitest';
import { newRequest } from '../../records/request.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { LauncherMetrics } from './launcher-metrics.ts';

it('labels that nobody has make no series of their own', () => {
  const metrics = new Metrics();
  const launcher = new LauncherMetrics(metrics, (label) => label === 'small');
  for (let i = 0; i < 100; i++) {
    launcher.ended(newRequest({ nodeTypes: ['small', `invented-${i}`, `more-${i}`] }, 0), 'failed', 0);
  }
  const lines = metrics
    .text()
    .split('\n')
    .filter((line) => line.startsWith('nodepool_requests_ended_total{'));
  expect(lines).toEqual([
    'nodepool_requests_ended_total{label="small",outcome="failed"} 100',
    'nodepool_requests_ended_total{label="unknown",outcome="failed"} 100',
  ]);
});
