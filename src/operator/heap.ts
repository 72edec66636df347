// How far the heap of an operator's process may grow before V8 collects all of it. Never a bound: that is `--max-old-space-size`.
import v8 from 'node:v8';

/**
 * V8 looks at how fast a program makes garbage. An operator in calm makes little, so V8 goes through everything that it knows, tens of
 * megabytes, after each eight that came: a third of what a thousand resources cost in calm. The flag is no word of NODE_OPTIONS.
 */
const growingPercent = 40;

export function growHeapInLargeSteps(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
}
