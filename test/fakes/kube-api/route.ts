// What a request to the fake API server asks for: its path, its selectors. Never what the answer is.
import type http from 'node:http';
import type { Fields } from './fields.ts';
import { meta, type ObjectName } from './store.ts';

export interface FakeCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly isWatch: boolean;
  readonly isWrite: boolean;
}

export interface Route extends ObjectName {
  readonly api: string;
  readonly subresource: string;
}

/** /api/v1/…, /apis/GROUP/VERSION/…; without a plural it is discovery. */
export function routeOf(path: string): Route | undefined {
  const match =
    /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))(?:\/namespaces\/([^/]+))?(?:\/([^/]+))?(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    );
  if (match === null) return undefined;
  const [, core, group, namespace = '', plural = '', name = '', subresource = ''] = match;
  const api = core ?? group ?? '';
  return { api, collection: plural === '' ? '' : `${api}/${plural}`, namespace, name, subresource };
}

/** `a=b` and `a`, several joined by commas; fields by their path. */
export function isSelected(object: Fields, query: URLSearchParams): boolean {
  const labels = (meta(object)['labels'] ?? {}) as Fields;
  const byLabel = parts(query.get('labelSelector')).every(([key, value]) =>
    value === undefined ? labels[key] !== undefined : labels[key] === value,
  );
  return byLabel && parts(query.get('fieldSelector')).every(([path, value]) => at(object, path) === value);
}

function parts(selector: string | null): [string, string | undefined][] {
  return (selector ?? '')
    .split(',')
    .filter(part => part !== '')
    .map(part => part.split('=', 2) as [string, string | undefined]);
}

function at(object: Fields, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, field) => (inner as Fields | undefined)?.[field], object);
}
