// Every route of the manager's API: one table for the server, the OpenAPI document and the tests. Never holds a handler.
import type * as z from 'zod';
import * as schemas from './schemas.ts';

/** open = nobody is asked for a key; user = any key; admin = a key with the admin role. Without keys everybody is admin. */
export type RouteRole = 'open' | 'user' | 'admin';

export interface ApiRoute {
  readonly id: RouteId;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `*name` at the end takes the rest of the path, slashes and all. */
  readonly path: string;
  readonly role: RouteRole;
  readonly about: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly status: 200 | 202;
  /** Absent = not JSON: events or a stream. */
  readonly answer?: z.ZodType;
  /** Bytes of the body that are read; BODY_BYTES_MAX when absent. */
  readonly bodyBytesMax?: number;
  /** Beside those that every route of its kind has. */
  readonly errors?: readonly (404 | 501)[];
}

export type RouteId =
  | 'health'
  | 'whoami'
  | 'openapi'
  | 'deployments'
  | 'deploy'
  | 'undeploy'
  | 'gpu'
  | 'models'
  | 'pull'
  | 'pulls'
  | 'pull_progress'
  | 'pull_cancel'
  | 'delete'
  | 'generate'
  | 'chat'
  | 'catalogue'
  | 'usage'
  | 'ranking'
  | 'history'
  | 'metrics'
  | 'track'
  | 'reset'
  | 'report'
  | 'reports'
  | 'problems'
  | 'fleet'
  | 'events'
  | 'requests'
  | 'settings'
  | 'drain';

export const BODY_BYTES_MAX = 64 * 1024;
const chatBytesMax = 32 * 1024 * 1024;
const reportBytesMax = 4 * 1024 * 1024;

type Extra = Partial<Pick<ApiRoute, 'query' | 'body' | 'answer' | 'status' | 'bodyBytesMax' | 'errors'>> & {
  readonly about: string;
};

function route(id: RouteId, role: RouteRole, line: string, extra: Extra): ApiRoute {
  const [method, path] = line.split(' ') as [ApiRoute['method'], string];
  return { id, role, method, path, status: 200, ...extra };
}

export const API_ROUTES: readonly ApiRoute[] = [
  route('health', 'open', 'GET /health', {
    about: 'Is the system healthy? 503 when it is not.',
    answer: schemas.HealthAnswer,
  }),
  route('whoami', 'open', 'GET /whoami', {
    about: 'What the presented key may do.',
    answer: schemas.WhoAmIAnswer,
  }),
  route('openapi', 'open', 'GET /openapi.json', { about: 'This document.' }),
  route('deployments', 'admin', 'GET /deployments', {
    about: 'OllamaDeployment resources and their state.',
    answer: schemas.DeploymentsAnswer,
  }),
  route('deploy', 'admin', 'POST /deploy', {
    about: 'Create an OllamaDeployment; 501 outside a cluster.',
    body: schemas.DeployBody,
    answer: schemas.DeployAnswer,
    errors: [501],
  }),
  route('undeploy', 'admin', 'POST /delete', {
    about: 'Delete an OllamaDeployment; 501 outside a cluster.',
    body: schemas.DeleteBody,
    answer: schemas.Done,
    errors: [501],
  }),
  route('gpu', 'admin', 'GET /gpu/status', {
    about: 'GPU memory, from nodes and from what the backends tell.',
    answer: schemas.GpuAnswer,
  }),
  route('models', 'user', 'GET /ollama/models', {
    about: 'Desired and observed models.',
    answer: schemas.ModelsAnswer,
  }),
  route('pull', 'admin', 'POST /ollama/pull', {
    about: 'Begin a pull; follow it by its id.',
    body: schemas.PullBody,
    status: 202,
    answer: schemas.PullStarted,
  }),
  route('pulls', 'admin', 'GET /ollama/pull/progress', {
    about: 'All pulls, or the one of `id` or `model`.',
    query: schemas.PullQuery,
    answer: schemas.PullList,
  }),
  route('pull_progress', 'admin', 'GET /ollama/pull/progress/*model', {
    about: 'The last pull of a model; its name may have slashes.',
    answer: schemas.PullAnswer,
  }),
  route('pull_cancel', 'admin', 'DELETE /ollama/pull', {
    about: 'Cancel the pull of `id` or `model`.',
    query: schemas.PullQuery,
    answer: schemas.PullAnswer,
    errors: [404],
  }),
  route('delete', 'admin', 'POST /ollama/delete', {
    about: 'Delete a model everywhere.',
    body: schemas.ModelBody,
    answer: schemas.Done,
    errors: [404],
  }),
  route('generate', 'user', 'POST /ollama/generate', {
    about: 'One answer, to test a model; 60 s.',
    body: schemas.GenerateBody,
    errors: [404],
  }),
  route('chat', 'user', 'POST /ollama/chat', {
    about: 'As /api/chat of Ollama, streamed, through the gateway.',
    bodyBytesMax: chatBytesMax,
  }),
  route('catalogue', 'user', 'GET /ollama/gguf-models', {
    about: 'Models worth a try, those that the registry still has.',
    answer: schemas.CatalogueAnswer,
  }),
  route('usage', 'admin', 'GET /usage', { about: 'Usage by model.', answer: schemas.UsageAnswer }),
  route('ranking', 'admin', 'GET /usage/ranking', {
    about: 'Models by served requests.',
    answer: schemas.RankingAnswer,
  }),
  route('history', 'admin', 'GET /usage/history', {
    about: 'Usage by hour and model.',
    query: schemas.HoursQuery,
    answer: schemas.HistoryAnswer,
  }),
  route('metrics', 'admin', 'GET /metrics', {
    about: 'Usage and the last health report, in the text format of Prometheus.',
  }),
  route('track', 'admin', 'POST /usage/track', {
    about: 'Count a request that the gateway did not see.',
    body: schemas.ModelBody,
    answer: schemas.TrackAnswer,
  }),
  route('reset', 'admin', 'POST /usage/reset', { about: 'Set all usage to nothing.', answer: schemas.Done }),
  route('report', 'user', 'POST /health/report', {
    about: 'Store a health report.',
    body: schemas.HealthReportBody,
    answer: schemas.Done,
    bodyBytesMax: reportBytesMax,
  }),
  route('reports', 'admin', 'GET /health/reports', {
    about: 'The last health reports, newest first.',
    query: schemas.LimitQuery,
    answer: schemas.ReportsAnswer,
  }),
  route('problems', 'admin', 'GET /health/problems', {
    about: 'What is wrong now, in words.',
    answer: schemas.ProblemsAnswer,
  }),
  route('fleet', 'admin', 'GET /fleet', {
    about: 'Backends, models, tickets of every gateway.',
    answer: schemas.FleetAnswer,
  }),
  route('events', 'admin', 'GET /events', { about: 'Server-sent events: fleet, stats, requests, pulls.' }),
  route('requests', 'admin', 'GET /requests', {
    about: 'The last requests with their reasons, newest first.',
    query: schemas.LimitQuery,
    answer: schemas.RequestsAnswer,
  }),
  route('settings', 'admin', 'GET /settings', {
    about: 'Aliases, keys (never their text), desired models.',
    answer: schemas.SettingsAnswer,
  }),
  route('drain', 'admin', 'POST /drain', {
    about: 'Begin or end the drain of a backend.',
    body: schemas.DrainBody,
    answer: schemas.DrainAnswer,
  }),
];

export type ApiMatch =
  | { readonly route: ApiRoute; readonly rest: string }
  | { readonly route: undefined; readonly allow: readonly string[] };

/** `path` without the prefix under which the API is mounted, still encoded. */
export function matchApi(method: string, path: string): ApiMatch {
  const allow: string[] = [];
  for (const candidate of API_ROUTES) {
    const rest = restOf(candidate.path, path);
    if (rest === undefined) continue;
    if (candidate.method === method || (method === 'HEAD' && candidate.method === 'GET')) {
      return { route: candidate, rest };
    }
    allow.push(candidate.method);
  }
  return { route: undefined, allow };
}

function restOf(pattern: string, path: string): string | undefined {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === path ? '' : undefined;
  if (!path.startsWith(pattern.slice(0, star))) return undefined;
  try {
    const rest = decodeURIComponent(path.slice(star));
    return rest === '' ? undefined : rest;
  } catch {
    return undefined;
  }
}
