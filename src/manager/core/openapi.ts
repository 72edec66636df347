// The OpenAPI document, made of the route table and its schemas. Never written by hand, so it cannot differ from the server.
import * as z from 'zod';
import { API_ROUTES, BODY_BYTES_MAX, type ApiRoute } from './routes.ts';
import { ErrorAnswer } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

export function openApi(about: { readonly version: string; readonly server: string }): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of API_ROUTES) {
    const path = route.path.replace(/\*(\w+)/, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'BigO Model Manager', version: about.version },
    servers: [{ url: about.server }],
    paths,
    components: {
      schemas: { Error: schemaOf(ErrorAnswer) },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function operation(route: ApiRoute): Json {
  const parameters = [...pathParameters(route), ...queryParameters(route)];
  return {
    operationId: route.id,
    summary: route.about,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body) } } },
    }),
    responses: responses(route),
    ...(route.method === 'POST' && { 'x-bigo-body-bytes-max': route.bodyBytesMax ?? BODY_BYTES_MAX }),
    ...(route.role !== 'open' && { security: [{ bearer: [] }, { key: [] }], 'x-bigo-role': route.role }),
  };
}

function responses(route: ApiRoute): Json {
  const content = route.answer && { content: { 'application/json': { schema: schemaOf(route.answer) } } };
  const error = { content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
  const errors = errorsOf(route).map(status => [status, { description: ERROR_WORDS[status], ...error }]);
  return { [route.status]: { description: 'Done.', ...content }, ...Object.fromEntries(errors) };
}

const ERROR_WORDS = {
  400: 'A field or a parameter is missing, unknown or wrong; the message names it.',
  401: 'Keys are on, and none that is valid was sent.',
  403: 'The key has not the role, or a page of another origin asks.',
  404: 'There is no such model, pull or deployment.',
  413: 'The body is too large.',
  415: 'The body is not sent as JSON.',
  501: 'This manager runs outside a cluster.',
  502: 'The gateway or its backend does not answer.',
} as const;
type ErrorStatus = keyof typeof ERROR_WORDS;

/** What follows from the table; a route adds what is its own. */
function errorsOf({ method, role, query, body, errors = [] }: ApiRoute): ErrorStatus[] {
  const found: ErrorStatus[] = [403, ...errors];
  if (query !== undefined || body !== undefined) found.push(400);
  if (role !== 'open') found.push(401, 502);
  if (method === 'POST') found.push(413, 415);
  return [...new Set(found)].toSorted((a, b) => a - b);
}

function pathParameters(route: ApiRoute): Json[] {
  const name = /\*(\w+)/.exec(route.path)?.[1];
  return name === undefined ? [] : [{ name, in: 'path', required: true, schema: { type: 'string' } }];
}

function queryParameters(route: ApiRoute): Json[] {
  if (route.query === undefined) return [];
  const { shape } = route.query;
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema as z.ZodType),
  }));
}

function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}
