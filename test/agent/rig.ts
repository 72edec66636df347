// An agent in this process with short times, its mounted file as a kubelet mounts it, and calls to its port. Never outlives its test.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAgent } from '../../src/agent/agent.ts';
import type { AgentDeps } from '../../src/agent/types.ts';
import type { AgentSettings } from '../../src/api/agent-settings.ts';
import type { AgentModelStatus, AgentStatus } from '../../src/api/agent-status.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { atEnd } from '../tools/end-all.ts';

const untilMsMax = 60_000;

export interface AgentOptions {
  readonly ollamaUrl: string;
  readonly models: unknown;
  readonly store?: string;
  readonly settings?: Partial<AgentSettings>;
  readonly deps?: Partial<AgentDeps>;
}

export class AgentRig {
  readonly url: string;
  readonly close: () => Promise<void>;
  readonly #file: MountedFile;

  constructor(parts: { url: string; close: () => Promise<void>; file: MountedFile }) {
    this.url = parts.url;
    this.close = parts.close;
    this.#file = parts.file;
  }

  /** As `kubectl apply` of the ConfigMap does, some time later. */
  assign(models: unknown): void {
    this.#file.write(JSON.stringify(models));
  }

  async get(path: string, method = 'GET'): Promise<{ status: number; text: string }> {
    const answer = await fetch(this.url + path, { method });
    return { status: answer.status, text: await answer.text() };
  }

  async status(): Promise<AgentStatus> {
    return JSON.parse((await this.get('/status')).text) as AgentStatus;
  }

  async model(name: string): Promise<AgentModelStatus | undefined> {
    return (await this.status()).models.find(model => model.name === name);
  }

  async metric(line: string): Promise<number> {
    const found = (await this.get('/metrics')).text.split('\n').find(text => text.startsWith(`${line} `));
    return Number(found?.split(' ').at(-1));
  }

  /** What was seen on the way is returned, each state once. */
  async until(isSo: (status: AgentStatus) => boolean): Promise<AgentStatus[]> {
    const endMs = performance.now() + untilMsMax;
    const seen: AgentStatus[] = [];
    for (;;) {
      const status = await this.status();
      seen.push(status);
      if (isSo(status)) return seen;
      assert.ok(performance.now() < endMs, `it never came: ${JSON.stringify(status)}`);
      await sleep(50);
    }
  }

  untilAll(state: AgentModelStatus['state']): Promise<AgentStatus[]> {
    return this.until(({ models }) => models.length > 0 && models.every(model => model.state === state));
  }
}

export async function anAgent(t: TestContext, options: AgentOptions): Promise<AgentRig> {
  const file = new MountedFile(aFolder(t), 'models.yaml');
  if (options.models !== undefined) file.write(JSON.stringify(options.models));
  const agent = await startAgent(
    {
      listen: { host: '127.0.0.1', port: 0 },
      ollamaUrl: options.ollamaUrl,
      modelsFile: file.path,
      store: options.store ?? aFolder(t),
      podName: 'chat-ollama-0',
      role: 'writer',
      insecureRegistries: [],
      reserveBytes: 0,
      ...options.settings,
    },
    {
      clock: systemClock,
      log: silentLog(),
      rng: Math.random,
      version: 'test',
      timing: { lookMs: 50, scanMs: 200, drainLookMs: 50 },
      ...options.deps,
    },
  );
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= agent.close());
  atEnd(t, close);
  return new AgentRig({ url: agent.url, close, file });
}

export function aFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bigo-agent-'));
  // What a killed server has begun to write may come while the folder is being emptied.
  atEnd(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  return folder;
}

/** name -> ..data/name, ..data -> a folder with a date; a change swaps ..data, so that readers never see half of it. */
export class MountedFile {
  readonly path: string;
  readonly #folder: string;
  readonly #name: string;
  #version = 0;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.path = join(folder, name);
    symlinkSync(join('..data', name), this.path);
  }

  write(text: string): void {
    const version = `..version_${++this.#version}`;
    mkdirSync(join(this.#folder, version));
    writeFileSync(join(this.#folder, version, this.#name), text);
    symlinkSync(version, join(this.#folder, '..data_tmp'));
    renameSync(join(this.#folder, '..data_tmp'), join(this.#folder, '..data'));
  }
}

export const blobPath = (store: string, digest: string) => join(store, 'blobs', digest.replace(':', '-'));

export function sha256Of(path: string): string {
  return `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}

/** As a disk or a stray program does: same size, same name, other bytes. */
export async function overwrite(path: string, atByte: number, bytes: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, atByte);
  } finally {
    await file.close();
  }
}
