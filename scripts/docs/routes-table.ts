// The table of served routes inside docs/api.md: the text between two marks comes from the code, the rest a person writes.
// Never touches what is outside the marks.
import type { Route, RouteKind } from '../../src/gateway/core/request/types.ts';
import { ROUTES } from '../../src/gateway/core/request/routes.ts';

const begin = '<!-- routes: written by `npm run docs` from the code -->';
const end = '<!-- end of routes -->';

const answeredBy: Readonly<Record<RouteKind, string>> = {
  inference: 'the backend with the soonest first token',
  holder: 'one backend that has the model',
  list: 'the gateway, merged over the fleet',
  change: 'every store that it concerns',
  blob: 'every store that lacks it',
  local: 'the gateway',
};

export function withRoutes(page: string): string {
  const [before, rest] = halves(page, begin);
  const [, after] = halves(rest, end);
  return [before, '', begin, '', ...table(), '', end, '', after].join('\n');
}

function halves(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`docs/api.md has lost the line ${mark}`);
  return [text.slice(0, at).trimEnd(), text.slice(at + mark.length).trimStart()];
}

function table(): string[] {
  const byPath = Map.groupBy(ROUTES, route => route.path);
  const rows = [...byPath.values()].flatMap(routes => {
    const groups = Map.groupBy(routes, route => `${route.id} ${route.kind}`);
    return [...groups.values()].map(group => row(group));
  });
  return [
    '| route | dialect | answered by | answer | since Ollama | key |',
    '|---|---|---|---|---|---|',
    ...rows,
  ];
}

function row(routes: readonly Route[]): string {
  const [route] = routes;
  if (route === undefined) throw new Error('a path without a route');
  const methods = routes.map(one => one.method).join(', ');
  const since = route.versionMin === '0.0.0' ? '–' : route.versionMin;
  const cells = [
    `\`${methods} ${route.path}\``,
    route.dialect,
    answeredBy[route.kind],
    answerOf(route),
    since,
    route.admin ? 'admin' : 'any',
  ];
  return `| ${cells.join(' | ')} |`;
}

function answerOf({ shape, streamsByDefault }: Route): string {
  if (shape === 'json') return 'whole';
  const kind = shape.endsWith('_sse') ? 'SSE' : 'NDJSON';
  return streamsByDefault
    ? `${kind}; whole with \`"stream":false\``
    : `whole; ${kind} with \`"stream":true\``;
}
