// What a model keeps when Ollama is asked to find its prompt template. The server here is a few lines, never a real Ollama.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createHttpClient } from '../platform/http.ts';
import { giveTemplate } from './ollama-template.ts';

const digest = 'a'.repeat(64);

/** Resolves to the bodies of the create requests that came. */
async function createsAfter(t: TestContext, show: Readonly<Record<string, string>>): Promise<unknown[]> {
  const creates: unknown[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then(chunks => {
      if (request.url === '/api/create') creates.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.end(JSON.stringify(request.url === '/api/show' ? show : { status: 'success' }));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const http = createHttpClient({ connectMsMax: 1_000 });
  t.after(() => http.close().then(() => server.close()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await giveTemplate(http, { name: 'a', url, store: 'a', class: 'default' }, 'small:1');
  return creates;
}

test('a bare model is made again with its system text and parameters', async t => {
  const creates = await createsAfter(t, {
    template: '{{ .Prompt }}',
    modelfile: `# made\nFROM /models/blobs/sha256-${digest}\nTEMPLATE {{ .Prompt }}\n`,
    system: 'Be kind.',
    parameters:
      'temperature                    0\nstop                           "<a b>"\nstop  "c"\ntop_k  1',
  });
  assert.deepEqual(creates, [
    {
      model: 'small:1',
      files: { 'model.gguf': `sha256:${digest}` },
      system: 'Be kind.',
      parameters: { temperature: 0, stop: ['<a b>', 'c'], top_k: 1 },
      stream: false,
    },
  ]);
});

test('a model that has a template stays as it is', async t => {
  const modelfile = `FROM /models/blobs/sha256-${digest}\n`;
  assert.deepEqual(await createsAfter(t, { template: 'USER {{ .Prompt }}', modelfile }), []);
});
