/**
 * What every driver that launches nodes must do, whatever its cloud: the real adapter, inside the real framework, against a
 * server that speaks the cloud's interface. A driver's test provides the bed, this provides the demands.
 */
import { afterEach, beforeEach, describe } from 'vitest';
import { type Runtime, systemRuntime } from '../../../base/runtime.ts';
import type { ConformanceBed, NotShown } from './bed.ts';
import { deletingTests } from './deleting.ts';
import { faultsTests } from './faults.ts';
import { launchingTests } from './launching.ts';
import { leaksTests } from './leaks.ts';
import { ConformanceRun, ConformanceTests } from './run.ts';

/** `notShown`: demands that the partner in the bed cannot show, each with its reason. All others are tested. */
export function driverConformance(
  driver: string,
  makeBed: (runtime: Runtime) => Promise<ConformanceBed>,
  notShown: readonly NotShown[] = [],
): void {
  describe(`driver conformance: ${driver}`, () => {
    let run: ConformanceRun;
    beforeEach(async () => {
      run = new ConformanceRun(await makeBed({ ...systemRuntime }), notShown);
    });
    afterEach(() => run.end());

    const suite = new ConformanceTests(() => run, notShown);
    launchingTests(suite);
    deletingTests(suite);
    leaksTests(suite);
    faultsTests(suite);
  });
}
