// Contract: what a server says about itself and its models.
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import { assertError, field, get, post, ask, send, textAt } from '../target.ts';
import type { Case, Json } from '../target.ts';

export const LISTS: readonly Case[] = [
  {
    name: 'the root answers with the text that clients look for',
    run: async target => {
      const answer = await send(target, 'GET', '/');
      assert.equal(answer.status, 200);
      assert.equal(answer.text, 'Ollama is running');
    },
  },
  {
    name: 'HEAD works on the root, the version and the tags, without a body',
    run: async target => {
      for (const path of ['/', '/api/version', '/api/tags']) {
        const answer = await send(target, 'HEAD', path);
        assert.equal(answer.status, 200, path);
        assert.equal(answer.text, '', path);
      }
    },
  },
  {
    name: 'the version is a version',
    run: async target => {
      assert.match(textAt(await get(target, '/api/version'), 'version'), /^\d+\.\d+\.\d+/);
    },
  },
  {
    name: 'tags list each model with size, digest, time and details',
    run: async target => {
      const { models } = (await get(target, '/api/tags')) as { models: Json[] };
      const entry = models.find(each => each['name'] === target.model);
      assert.ok(entry !== undefined, `${target.model} is listed`);
      assert.equal(entry['model'], target.model);
      assert.match(textAt(entry, 'digest'), /^[0-9a-f]{64}$/);
      assert.ok(Number(entry['size']) > 0);
      assert.ok(!Number.isNaN(Date.parse(textAt(entry, 'modified_at'))));
      for (const detail of ['format', 'family', 'parameter_size', 'quantization_level'])
        textAt(entry, 'details', detail);
      assert.ok(Array.isArray(field(entry, 'details', 'families')));
    },
  },
  {
    name: 'the ollama client lists the models',
    run: async target => {
      const { models } = await new Ollama({ host: target.url }).list();
      assert.ok(models.some(model => model.name === target.model));
    },
  },
  {
    name: 'show tells the weights blob, details, parameters of the file and capabilities',
    run: async target => {
      const shown = await new Ollama({ host: target.url }).show({ model: target.model });
      assert.match(shown.modelfile, /^FROM \/?.*sha256[-:][0-9a-f]{64}$/m);
      assert.equal(typeof shown.template, 'string');
      assert.equal(shown.details.format, 'gguf');
      assert.ok(shown.capabilities.includes('completion'));
      const architecture = textAt(shown.model_info, 'general.architecture');
      assert.ok(Number(field(shown.model_info, `${architecture}.context_length`)) > 0);
    },
  },
  {
    name: 'show takes the old key `name` too',
    run: async target => {
      textAt(await ask(target, '/api/show', { name: target.model }), 'modelfile');
    },
  },
  {
    name: 'show of an unknown model is 404, of none 400',
    run: async target => {
      assertError(await post(target, '/api/show', { model: 'nope:1b' }), 404, /nope/);
      assertError(await post(target, '/api/show', {}), 400, /model/);
    },
  },
  {
    name: 'a model is found whatever the case of its name',
    run: async target => {
      textAt(await ask(target, '/api/show', { model: target.model.toUpperCase() }), 'modelfile');
    },
  },
  {
    name: 'ps is a list',
    run: async target => {
      assert.ok(Array.isArray((await get(target, '/api/ps'))['models']));
    },
  },
];
