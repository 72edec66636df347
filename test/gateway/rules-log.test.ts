// The log of a request explains the decision about it: who was considered, what each would have meant, why this one.
import assert from 'node:assert/strict';
import test from 'node:test';
import { pino } from 'pino';
import type { Log } from '../../src/platform/log.ts';
import { until, withRig } from './rig.ts';

interface Line {
  readonly msg: string;
  readonly backend?: string;
  readonly reason?: string;
  readonly estimateMs?: number;
  readonly waitMs?: number;
  readonly considered?: readonly {
    readonly backend: string;
    readonly estimateMs?: number;
  }[];
}

function collector(): { readonly lines: Line[]; readonly log: Log } {
  const lines: Line[] = [];
  const write = (text: string): void => {
    for (const line of text.split('\n')) if (line !== '') lines.push(JSON.parse(line) as Line);
  };
  return { lines, log: pino({ level: 'info' }, { write }) };
}

test('the log line of a request has the figures that decided, of every backend', () => {
  const { lines, log } = collector();
  return withRig({ backends: 2, log }, async rig => {
    assert.equal((await rig.chat()).status, 200);
    const requests = (): Line[] => lines.filter(line => line.msg === 'request');
    await until(
      async () => requests().length === 1,
      async () => JSON.stringify(lines),
    );
    const [request] = requests();
    assert.ok(request?.reason !== undefined && request.estimateMs !== undefined);
    const costMs = new Map(request.considered?.map(({ backend, estimateMs }) => [backend, estimateMs]));
    assert.deepEqual([...costMs.keys()].toSorted(), ['b0', 'b1']);
    const chosenMs = costMs.get(request.backend ?? '');
    assert.equal(chosenMs, Math.min(...[...costMs.values()].map(ms => ms ?? Infinity)));
  });
});
