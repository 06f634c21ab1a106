import { expect, it } from 'vitest';
import { Metrics } from './metrics.ts';

const linesOf = (metrics: Metrics, name: string) =>
  metrics
    .text()
    .split('\n')
    .filter((line) => line.startsWith(name));

it('writes counters, gauges and histograms as Prometheus reads them', () => {
  const metrics = new Metrics();
  const counter = metrics.counter('a_total', 'Some.\nMore.');
  counter.add({ kind: 'x' });
  counter.add({ kind: 'x' }, 2);
  counter.add({ kind: 'a"b\\c\nd' });
  metrics.read('g', 'G.', { samples: () => [[{}, Number.POSITIVE_INFINITY]] });
  const histogram = metrics.histogram('h_seconds', 'H.', [1, 5]);
  for (const value of [0.5, 1, 3, 9]) histogram.observe({ l: 'x' }, value);
  expect(metrics.text()).toContain(
    [
      '# HELP a_total Some.\\nMore.',
      '# TYPE a_total counter',
      'a_total{kind="x"} 3',
      'a_total{kind="a\\"b\\\\c\\nd"} 1',
      '# HELP g G.',
      '# TYPE g gauge',
      'g +Inf',
      '# HELP h_seconds H.',
      '# TYPE h_seconds histogram',
      'h_seconds_bucket{l="x",le="1"} 2',
      'h_seconds_bucket{l="x",le="5"} 3',
      'h_seconds_bucket{l="x",le="+Inf"} 4',
      'h_seconds_sum{l="x"} 13.5',
      'h_seconds_count{l="x"} 4',
      '',
    ].join('\n'),
  );
});

it('keeps a bounded number of series, and counts what it leaves out', () => {
  const metrics = new Metrics();
  const counter = metrics.counter('a_total', 'A.');
  for (let index = 0; index < 2010; index++) counter.add({ label: String(index) });
  counter.add({ label: '0' });
  expect(linesOf(metrics, 'a_total{')).toHaveLength(2000);
  expect(linesOf(metrics, 'a_total{label="0"}')).toEqual(['a_total{label="0"} 2']);
  expect(linesOf(metrics, 'nodepool_metrics_dropped_total')).toEqual(['nodepool_metrics_dropped_total 10']);
});
