// `bigo pull file:///PATH/MODEL.gguf`: sends a model file of this machine to the fleet and makes a model of it, as `ollama create` does.
// Never moves or changes the file, and sends nothing that is there already.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelKey } from '../api/names.ts';
import type { Client, JsonObject } from './client.ts';
import { CliError, usageError } from './exit.ts';

export interface ModelFile {
  readonly path: string;
  /** Of the model that is made: the file's name, as far as it can be one. */
  readonly name: string;
  readonly bytes: number;
}

/** Undefined for what is no address of a file. */
export async function modelFileOf(text: string): Promise<ModelFile | undefined> {
  if (!text.startsWith('file:')) return undefined;
  const path = pathOf(text);
  const name = basename(path)
    .replace(/\.gguf$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-');
  if (modelKey(name) === undefined) throw usageError(`the file name ${basename(path)} is no model name`);
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile() !== true) throw new CliError(`there is no file ${path}`);
  return { path, name, bytes: info.size };
}

function pathOf(text: string): string {
  try {
    return fileURLToPath(text);
  } catch {
    throw usageError(`"${text}" is no address of a file`, 'Write file:///PATH/MODEL.gguf.');
  }
}

/** Lines like those of /api/pull; the last one says success. */
export async function* sendFile(client: Client, file: ModelFile): AsyncGenerator<JsonObject> {
  yield { status: 'reading the file' };
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file.path)) hash.update(chunk as Buffer);
  const digest = `sha256:${hash.digest('hex')}`;
  yield { status: 'sending the file', digest, total: file.bytes, completed: 0 };
  await client.upload(`/api/blobs/${digest}`, { bytes: file.bytes, open: () => createReadStream(file.path) });
  yield { status: 'sending the file', digest, total: file.bytes, completed: file.bytes };
  yield* client.objects({
    path: '/api/create',
    body: { model: file.name, files: { 'model.gguf': digest }, stream: true },
  });
}
