// What a client is told about a name that the fleet does not know. Never starts a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewaySettings } from '../api/settings.ts';
import { ModelIndex, modelNotFound } from './models-known.ts';

test('an alias of a model that is nowhere is told as such, and never proposed in its own place', () => {
  const models = new ModelIndex();
  models.useSettings({
    aliases: { ghost: 'gone:1' },
    declaredModels: [],
    routing: [],
  } as unknown as GatewaySettings);
  assert.equal(modelNotFound(models, 'ghost').message, "model 'ghost' not found (an alias of gone:1)");
});

test('a hint names only models that the asker may use', () => {
  const models = new ModelIndex();
  models.useSettings({
    aliases: { llama: 'llama3', llamas: 'llama3' },
    declaredModels: ['llama3'],
    routing: [],
  } as unknown as GatewaySettings);
  assert.match(modelNotFound(models, 'lama').message, /llama:?.* or /);
  const allowed = new Set(['llamas:latest']);
  assert.equal(
    modelNotFound(models, 'lama', allowed).message,
    "model 'lama' not found; did you mean llamas:latest?",
  );
});
