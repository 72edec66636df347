// Streams through real sockets: cut anywhere they come out byte for byte; cut short they end in an explicit error of their dialect.
// BIGO_TEST_SEED=N plays the same cuts again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { intBelow, rngOf } from '../../src/sim/rng.ts';
import type { Rng } from '../../src/sim/rng.ts';
import { startRig } from './rig.ts';
import type { Rig } from './rig.ts';
import { eventsHead, streamHead } from './scripted-backend.ts';

const seed = Number(process.env['BIGO_TEST_SEED'] ?? 20_261_121);
const streamsInAll = 2_000;
const atOnce = 8;
const longLines = 20;
const longLineBytes = 8 * 1024 * 1024;
const piecesMax = 40;

interface Kind {
  readonly path: string;
  readonly head: string;
  readonly body: string;
  readonly stream: Buffer;
  /** The dialect's error, at the end of what the client got. */
  readonly error: RegExp;
}

const recording = (name: string): Buffer => readFileSync(new URL(`../recordings/${name}`, import.meta.url));
const messages = [{ role: 'user', content: 'hi' }];
const asked = (extra: object): string => JSON.stringify({ model: 'm', messages, ...extra });

const native: Kind = {
  path: '/api/chat',
  head: streamHead,
  body: asked({}),
  stream: recording('ollama-chat.txt'),
  error: /\n\{"error":"[^\n]*"\}\n$/,
};
const openai: Kind = {
  path: '/v1/chat/completions',
  head: eventsHead,
  body: asked({ stream: true, stream_options: { include_usage: true } }),
  stream: recording('openai-chat-usage.txt'),
  error: /\n\ndata: \{"error":\{[^\n]*\}\}\n\n$/,
};
const anthropic: Kind = {
  path: '/v1/messages',
  head: eventsHead,
  body: asked({ stream: true, max_tokens: 10 }),
  stream: recording('anthropic.txt'),
  error: /\n\nevent: error\ndata: \{"type":"error",[^\n]*\}\n\n$/,
};
const kinds = [native, openai, anthropic];

/** Cut anywhere, also inside a UTF-8 character. */
function cut(bytes: Buffer, rng: Rng): Buffer[] {
  const count = 1 + intBelow(rng, piecesMax);
  const ends = Array.from({ length: count }, () => intBelow(rng, bytes.length)).sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    if (end > from) pieces.push(bytes.subarray(from, end));
    from = Math.max(from, end);
  }
  return pieces;
}

function asChunk(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
}

function ask(rig: Rig, kind: Kind, id: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'user-agent': id };
    const req = http.request(rig.gateway.url + kind.path, { method: 'POST', headers, agent: false });
    req.on('error', reject);
    req.on('response', res => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('close', () => resolve(Buffer.concat(chunks)));
      res.on('error', () => undefined);
    });
    req.end(kind.body);
  });
}

/** Each request says in its user-agent which plan it is, so that many can run at once. */
function play(
  rig: Rig,
  plans: ReadonlyMap<string, { pieces: readonly Buffer[]; head: string; whole: boolean }>,
): void {
  rig.backend.script = ({ socket, headers }) => {
    const plan = plans.get(headers.get('user-agent') ?? '');
    if (plan === undefined) return void socket.destroy();
    void (async () => {
      socket.write(plan.head);
      for (const piece of plan.pieces) {
        socket.write(asChunk(piece));
        await turn();
      }
      if (plan.whole) socket.write('0\r\n\r\n');
      else socket.end();
    })();
  };
}

async function inBatches<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += atOnce) {
    await Promise.all(items.slice(from, from + atOnce).map(run));
  }
}

async function withStreams(run: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig({ slots: 64 });
  try {
    await run(rig);
    await rig.assertClean();
  } finally {
    await rig.stop();
  }
}

test(`${streamsInAll} streams cut at random come out byte for byte (seed ${seed})`, () =>
  withStreams(async rig => {
    const rng = rngOf(seed);
    const plans = new Map(
      Array.from({ length: streamsInAll }, (_, index) => {
        const kind = kinds[index % kinds.length] ?? native;
        return [`s${index}`, { kind, pieces: cut(kind.stream, rng), head: kind.head, whole: true }] as const;
      }),
    );
    play(rig, plans);
    await inBatches([...plans], async ([id, plan]) => {
      const got = await ask(rig, plan.kind, id);
      assert.ok(got.equals(plan.kind.stream), `${id} ${plan.kind.path} came out changed`);
    });
  }));

test(`${longLines} streams with a line of 8 MB come out byte for byte`, () =>
  withStreams(async rig => {
    const rng = rngOf(seed);
    const filler = Array.from({ length: 64 }, () => intBelow(rng, 1_000_000)).join(',');
    const context = `[${`${filler},`.repeat(Math.ceil(longLineBytes / (filler.length + 1)))}1]`;
    const line = `{"model":"m:latest","done":true,"done_reason":"stop","eval_count":3,"context":${context}}\n`;
    const stream = Buffer.concat([
      native.stream.subarray(0, native.stream.indexOf('\n') + 1),
      Buffer.from(line),
    ]);
    for (let index = 0; index < longLines; index++) {
      play(rig, new Map([['long', { pieces: cut(stream, rng), head: streamHead, whole: true }]]));
      assert.ok((await ask(rig, native, 'long')).equals(stream), `stream ${index} came out changed`);
    }
  }));

for (const kind of kinds) {
  test(`${kind.path}: cut at any position, a short stream ends in an explicit error and no terminator`, () =>
    withStreams(async rig => {
      const lines = kind.stream.toString('utf8').split(/(?<=\n)/);
      const short = Buffer.from(lines.slice(0, 4).join('') + lines.slice(-4).join(''));
      for (let bytes = 1; bytes < short.length - 1; bytes++) {
        play(rig, new Map([['cut', { pieces: [short.subarray(0, bytes)], head: kind.head, whole: false }]]));
        const text = `\n\n${(await ask(rig, kind, 'cut')).toString('utf8')}`;
        assert.match(text, kind.error, `cut after ${bytes} bytes`);
        // A third failure in a row would shut the model's breaker, as it should.
        if (bytes % 2 !== 0) continue;
        play(rig, new Map([['whole', { pieces: [short], head: kind.head, whole: true }]]));
        assert.ok((await ask(rig, kind, 'whole')).equals(short));
      }
    }));
}
