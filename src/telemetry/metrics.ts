/**
 * Metrics for Prometheus, as text of the exposition format 0.0.4. Counters and histograms are kept here; gauges are asked for
 * when somebody reads the metrics. Times are in seconds, as Prometheus wants them.
 */
export type Labels = Readonly<Record<string, string>>;

/** Most series of one family. Label values come from configurations and documents, so a family could grow without end. */
const mostSeries = 2000;

type Kind = 'counter' | 'gauge' | 'histogram';

interface Series {
  readonly labels: string;
  value: number;
}

interface Distribution {
  readonly labels: string;
  readonly counts: number[];
  count: number;
  sum: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly kind: Kind;
  readonly lines: () => Iterable<string>;
}

export interface Counter {
  add(labels: Labels, amount?: number): void;
}

export interface Histogram {
  observe(labels: Labels, value: number): void;
}

export type Sample = readonly [labels: Labels, value: number];

export class Metrics {
  private readonly families = new Map<string, Family>();
  private dropped = 0;

  constructor() {
    this.read('nodepool_metrics_dropped_total', 'Values left out because their metric has too many series.', {
      kind: 'counter',
      samples: () => [[{}, this.dropped]],
    });
  }

  counter(name: string, help: string): Counter {
    const series = new Map<string, Series>();
    this.add({
      name,
      help,
      kind: 'counter',
      *lines() {
        for (const { labels, value } of series.values()) yield line(name, labels, value);
      },
    });
    return {
      add: (labels, amount = 1) => {
        const one = this.seriesOf(series, labels, (text) => ({ labels: text, value: 0 }));
        if (one) one.value += amount;
      },
    };
  }

  /** `bounds`: upper limits of the buckets, ascending. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const series = new Map<string, Distribution>();
    this.add({
      name,
      help,
      kind: 'histogram',
      *lines() {
        for (const one of series.values()) yield* distributionLines(name, bounds, one);
      },
    });
    return {
      observe: (labels, value) => {
        const one = this.seriesOf(series, labels, (text) => ({
          labels: text,
          counts: new Array<number>(bounds.length).fill(0),
          count: 0,
          sum: 0,
        }));
        if (!one) return;
        const bucket = bounds.findIndex((bound) => value <= bound);
        if (bucket >= 0) one.counts[bucket]!++;
        one.count++;
        one.sum += value;
      },
    };
  }

  /** Declares a metric whose samples are asked for whenever somebody reads the metrics. */
  read(
    name: string,
    help: string,
    { kind = 'gauge', samples }: { readonly kind?: 'gauge' | 'counter'; readonly samples: () => Iterable<Sample> },
  ): void {
    const most = () => this.dropped++;
    this.add({
      name,
      help,
      kind,
      *lines() {
        let count = 0;
        for (const [labels, value] of samples()) {
          if (++count > mostSeries) most();
          else yield line(name, labelText(labels), value);
        }
      },
    });
  }

  /** All families, in the order of their declaration. */
  text(): string {
    const parts: string[] = [];
    for (const { name, help, kind, lines } of this.families.values()) {
      parts.push(`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${kind}\n`);
      for (const one of lines()) parts.push(one);
    }
    return parts.join('');
  }

  private add(family: Family): void {
    if (this.families.has(family.name)) throw new TypeError(`metric ${family.name} is declared twice`);
    this.families.set(family.name, family);
  }

  private seriesOf<T>(series: Map<string, T>, labels: Labels, create: (text: string) => T): T | null {
    const text = labelText(labels);
    let one = series.get(text);
    if (!one) {
      if (series.size >= mostSeries) {
        this.dropped++;
        return null;
      }
      series.set(text, (one = create(text)));
    }
    return one;
  }
}

function* distributionLines(name: string, bounds: readonly number[], one: Distribution): Iterable<string> {
  const upTo = (bound: string) => `${one.labels === '' ? '' : `${one.labels},`}le="${bound}"`;
  let below = 0;
  for (const [index, bound] of bounds.entries()) {
    below += one.counts[index]!;
    yield line(`${name}_bucket`, upTo(String(bound)), below);
  }
  yield line(`${name}_bucket`, upTo('+Inf'), one.count);
  yield line(`${name}_sum`, one.labels, one.sum);
  yield line(`${name}_count`, one.labels, one.count);
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}\n`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',');
}

const special = /[\\"\n]/g;

function escaped(value: string): string {
  return value.replace(special, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
