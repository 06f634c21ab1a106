/** Settings of the JavaScript engine for programs that run for weeks. */
import { setFlagsFromString } from 'node:v8';

/**
 * Bytes of bytecode that a function executes before it is worth optimising; V8's own measure, about an eighth of this, is
 * made for pages that live for seconds. A launcher works in bursts: with it a third of what a thousand launches cost was
 * spent on compiling. What stays busy is optimised all the same, a little later. A V8 without that setting says so and goes on.
 */
const interruptBudgetBytes = 500_000;

export function optimizeLater(): void {
  setFlagsFromString(`--interrupt-budget=${interruptBudgetBytes}`);
}
