// Contract: /api/chat, and the two clients that people use for it.
import assert from 'node:assert/strict';
import { ChatOllama } from '@langchain/ollama';
import { Ollama } from 'ollama';
import { ask, linesOf, post, small, textAt } from '../target.ts';
import type { Case } from '../target.ts';
import { assertTimes } from './generate.ts';

const hello = [{ role: 'user', content: 'Say hello.' }];

export const CHAT: readonly Case[] = [
  {
    name: 'chat streams messages of the assistant, the last one done',
    run: async target => {
      const answer = await post(target, '/api/chat', {
        model: target.model,
        messages: hello,
        options: small,
      });
      assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
      const lines = linesOf(answer.text);
      for (const line of lines) {
        assert.equal(textAt(line, 'message', 'role'), 'assistant');
        textAt(line, 'message', 'content');
      }
      const last = lines.at(-1) ?? {};
      assert.equal(last['done'], true);
      assertTimes(last);
    },
  },
  {
    name: 'chat without streaming is one JSON value with the same text',
    run: async target => {
      const request = { model: target.model, messages: hello, options: small };
      const lines = linesOf((await post(target, '/api/chat', request)).text);
      const whole = await ask(target, '/api/chat', { ...request, stream: false });
      assert.equal(
        textAt(whole, 'message', 'content'),
        lines.map(line => textAt(line, 'message', 'content')).join(''),
      );
      assertTimes(whole);
    },
  },
  {
    name: 'a conversation with all roles is continued',
    run: async target => {
      const messages = [
        { role: 'system', content: 'You are brief.' },
        { role: 'user', content: 'Hi.' },
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'And now?' },
      ];
      const whole = await ask(target, '/api/chat', {
        model: target.model,
        messages,
        stream: false,
        options: small,
      });
      assert.ok(textAt(whole, 'message', 'content').length > 0);
    },
  },
  {
    name: 'chat without messages loads the model',
    run: async target => {
      const whole = await ask(target, '/api/chat', { model: target.model, messages: [], stream: false });
      assert.equal(whole['done_reason'], 'load');
      assert.equal(textAt(whole, 'message', 'role'), 'assistant');
    },
  },
  {
    name: 'the ollama client streams to its end',
    run: async target => {
      const client = new Ollama({ host: target.url });
      const stream = await client.chat({
        model: target.model,
        messages: hello,
        stream: true,
        options: small,
      });
      let text = '';
      let done = false;
      for await (const part of stream) {
        text += part.message.content;
        done ||= part.done;
      }
      assert.ok(done && text.length > 0);
    },
  },
  {
    name: 'the ollama client generates, streamed and whole',
    run: async target => {
      const client = new Ollama({ host: target.url });
      const request = { model: target.model, prompt: 'Say hi.', options: small };
      const whole = await client.generate(request);
      let text = '';
      for await (const part of await client.generate({ ...request, stream: true })) text += part.response;
      assert.equal(text, whole.response);
    },
  },
  {
    name: 'langchain invokes and streams',
    run: async target => {
      const chat = new ChatOllama({
        baseUrl: target.url,
        model: target.model,
        temperature: 0,
        numPredict: 8,
      });
      const whole = await chat.invoke('Say hello.');
      assert.ok(whole.text.length > 0);
      assert.ok((whole.usage_metadata?.output_tokens ?? 0) > 0);
      let text = '';
      for await (const chunk of await chat.stream('Say hello.')) text += chunk.text;
      assert.equal(text, whole.text);
    },
  },
];
