// A reporter for node:test that writes one JSON line per thing the test runner of this project wants to know.
// Never formats anything for people; run-suite.ts reads the lines.
import path from 'node:path';
import type { TestEvent } from 'node:test/reporters';

type TestPass = Extract<TestEvent, { type: 'test:pass' }>['data'];
type TestFail = Extract<TestEvent, { type: 'test:fail' }>['data'];

export type ReportLine =
  | { readonly kind: 'skip'; readonly test: string; readonly reason: string }
  /** A file without a test passes in node's eyes and is counted so. */
  | { readonly kind: 'empty'; readonly file: string }
  | { readonly kind: 'fail'; readonly test: string; readonly file: string; readonly error: string }
  /** A hook of a group, or the group itself, failed: no count of tests knows of it. */
  | { readonly kind: 'broken group'; readonly group: string; readonly file: string; readonly error: string }
  | { readonly kind: 'output'; readonly file: string; readonly text: string }
  | { readonly kind: 'begin' | 'over'; readonly test: string; readonly file: string }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'end'; readonly passed: number; readonly failed: number };

const errorCharsMax = 4000;

/** A file's own result has the file's path as its name; it is reported only when no test in it was. */
function isFile(data: TestPass): boolean {
  return data.nesting === 0 && data.file !== undefined && path.resolve(data.name) === data.file;
}

function errorText(data: TestFail): string {
  const { error } = data.details;
  const cause: unknown = error.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text.slice(0, errorCharsMax);
}

function passLines(data: TestPass): ReportLine[] {
  const test = data.name;
  if (isFile(data)) return [{ kind: 'empty', file: data.file ?? '' }];
  if (data.skip !== undefined) return [{ kind: 'skip', test, reason: String(data.skip) }];
  if (data.todo !== undefined) return [{ kind: 'skip', test, reason: `to do: ${String(data.todo)}` }];
  return [];
}

/** A group of which only a test failed: the test tells of it. */
const ofItsTests = 'subtestsFailed';

function failLines(data: TestFail): ReportLine[] {
  if (data.details.type === 'suite') {
    const { failureType } = data.details.error as { readonly failureType?: string };
    if (failureType === ofItsTests) return [];
    return [{ kind: 'broken group', group: data.name, file: data.file ?? '', error: errorText(data) }];
  }
  if (data.todo !== undefined)
    return [{ kind: 'skip', test: data.name, reason: `to do: ${String(data.todo)}` }];
  return [{ kind: 'fail', test: data.name, file: data.file ?? '', error: errorText(data) }];
}

export function linesOf(event: TestEvent): ReportLine[] {
  switch (event.type) {
    case 'test:pass':
      return passLines(event.data);
    case 'test:fail':
      return failLines(event.data);
    case 'test:dequeue':
      return [{ kind: 'begin', test: event.data.name, file: event.data.file ?? '' }];
    case 'test:complete':
      return [{ kind: 'over', test: event.data.name, file: event.data.file ?? '' }];
    case 'test:stdout':
    case 'test:stderr':
      return [{ kind: 'output', file: path.resolve(event.data.file), text: event.data.message }];
    case 'test:diagnostic':
      return event.data.file === undefined ? [] : [{ kind: 'note', text: event.data.message }];
    case 'test:summary': {
      if (event.data.file !== undefined) return [];
      const { tests, passed, skipped, todo } = event.data.counts;
      return [{ kind: 'end', passed, failed: tests - passed - skipped - todo }];
    }
    default:
      return [];
  }
}

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    for (const line of linesOf(event)) yield `${JSON.stringify(line)}\n`;
  }
}
