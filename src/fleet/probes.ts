// The three questions that a backend is asked again and again, each answered by one observation. Never throws.
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HOP_HEADER, INSTANCE_HEADER, type BackendSpec, type ModelOnDisk } from '../api/fleet.ts';
import { failureOf } from '../platform/http-failure.ts';
import type { HttpAnswer, HttpClient } from '../platform/http.ts';
import { modelElements } from './core/elements.ts';
import { indexModels, loadedFromPs, modelFromTag } from './core/models.ts';
import type { FailureKind, Observation, Probe } from './core/record.ts';
import type { Timing } from './core/timing.ts';
import type { FactStore } from './facts.ts';
import type { Log } from './types.ts';

export interface Question {
  readonly spec: BackendSpec;
  readonly http: HttpClient;
  readonly log: Log;
  readonly timing: Timing;
  readonly instanceId: string;
  readonly facts: FactStore;
  readonly signal: AbortSignal;
  /** What `seen` was last time. */
  readonly lastSeen: string | undefined;
}

export interface Asked {
  readonly observation: Observation;
  /** Stands for the bytes of a good answer; undefined after a bad one. */
  readonly seen: string | undefined;
}

interface Limits {
  readonly timeMsMax: number;
  readonly bytesMax: number;
}

/** After this many models the event loop gets a turn. */
const modelsPerTurn = 500;
/** Smaller answers are parsed in one go. */
const wholeBytesMax = 512 * 1024;

export async function askVersion(question: Question): Promise<Asked> {
  const { timing } = question;
  const limits = { timeMsMax: timing.versionMsMax, bytesMax: timing.versionBytesMax };
  return ask(question, 'version', limits, answer => {
    const version = versionOf(answer);
    if (version === undefined) return failed('version', 'invalid', notOllama(question.spec, answer));
    const instance = answer.headers[INSTANCE_HEADER];
    return { type: 'version', version, ...(typeof instance === 'string' ? { instance } : {}) };
  });
}

export async function askPs(question: Question): Promise<Asked> {
  const limits = { timeMsMax: question.timing.psMsMax, bytesMax: question.timing.psBytesMax };
  return ask(question, 'ps', limits, answer => {
    const loaded = loadedFromPs(parsed(answer.body));
    if (loaded === undefined) return failed('ps', 'invalid', notOllama(question.spec, answer));
    return { type: 'ps', loaded };
  });
}

export async function askTags(question: Question): Promise<Asked> {
  const limits = { timeMsMax: question.timing.tagsMsMax, bytesMax: question.timing.tagsBytesMax };
  return ask(question, 'tags', limits, async answer => {
    const models = await readModels(answer.body, question);
    if (models === undefined) return failed('tags', 'invalid', notOllama(question.spec, answer));
    return { type: 'tags', models };
  });
}

async function ask(
  question: Question,
  probe: Probe,
  limits: Limits,
  read: (answer: HttpAnswer) => Observation | Promise<Observation>,
): Promise<Asked> {
  const { spec, http, instanceId, signal } = question;
  try {
    const headers = { [HOP_HEADER]: instanceId };
    const answer = await http.ask(spec, { method: 'GET', path: `/api/${probe}`, headers, signal, ...limits });
    const wrong = wrongStatus(spec, probe, answer);
    if (wrong !== undefined) return { observation: wrong, seen: undefined };
    const seen = createHash('sha256').update(answer.body).digest('base64');
    if (probe !== 'version' && seen === question.lastSeen)
      return { observation: { type: 'same', probe }, seen };
    const observation = await read(answer);
    return { observation, seen: observation.type === 'failed' ? undefined : seen };
  } catch (error) {
    const failure = failureOf(error, spec.url);
    return { observation: failed(probe, failure.kind, failure.message), seen: undefined };
  }
}

function wrongStatus(spec: BackendSpec, probe: Probe, answer: HttpAnswer): Observation | undefined {
  if (answer.status === 200) return undefined;
  if (answer.status === 508) return failed('version', 'loop', 'its requests come back to this gateway');
  const kind = answer.status >= 300 && answer.status < 500 ? 'invalid' : 'status';
  return failed(probe, kind, `${spec.url}/api/${probe} answered with status ${answer.status}`);
}

function failed(probe: Probe, kind: FailureKind, message: string): Observation {
  return { type: 'failed', probe, kind, message };
}

function notOllama(spec: BackendSpec, answer: HttpAnswer): string {
  const type = answer.headers['content-type'];
  return `${spec.url} does not answer like an Ollama server (${typeof type === 'string' ? type : 'no content type'})`;
}

function versionOf(answer: HttpAnswer): string | undefined {
  const value = parsed(answer.body);
  if (typeof value !== 'object' || value === null || !('version' in value)) return undefined;
  const { version } = value;
  return typeof version === 'string' && version.length > 0 && version.length <= 100 ? version : undefined;
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}

async function readModels(
  body: Buffer,
  question: Question,
): Promise<ReadonlyMap<string, ModelOnDisk> | undefined> {
  const factsOf = (digest: string) => question.facts.of(question.spec.store, digest);
  if (body.length <= wholeBytesMax) {
    const list = parsed(body);
    if (typeof list !== 'object' || list === null || Array.isArray(list)) return undefined;
    const entries: unknown = 'models' in list ? (list.models ?? []) : undefined;
    if (!Array.isArray(entries)) return undefined;
    return indexModels(
      entries.map(entry => modelFromTag(entry, factsOf)).filter(model => model !== undefined),
    );
  }
  const found: ModelOnDisk[] = [];
  let count = 0;
  for (const range of modelElements(body)) {
    if (range === undefined) return undefined;
    if (++count > question.timing.modelsMax) {
      question.log.warn(
        { backend: question.spec.name, modelsMax: question.timing.modelsMax },
        'has more models than are read',
      );
      break;
    }
    const model = modelFromTag(parsed(body.subarray(range[0], range[1])), factsOf);
    if (model !== undefined) found.push(model);
    if (count % modelsPerTurn === 0) await nextTurn();
  }
  return indexModels(found);
}
