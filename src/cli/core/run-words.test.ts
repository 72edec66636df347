// Rules of which word is the model. Never asks a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { modelKey } from '../../api/names.ts';
import type { ListedModel } from './model-list.ts';
import { planRun, type RunPlan, type RunWords } from './run-words.ts';

const aModel = (name: string, capabilities: readonly string[] = []): ListedModel => ({
  name,
  digest: '',
  sizeBytes: 0,
  modifiedAt: '',
  capabilities,
});

const KNOWN = [
  aModel('nomic-embed:latest', ['embedding']),
  aModel('llama3.2:1b', ['completion']),
  aModel('mistral:latest'),
];

function plan(words: readonly string[], more: Partial<RunWords> = {}): RunPlan {
  return planRun({ words, piped: undefined, model: undefined, tier: undefined, known: KNOWN, ...more });
}

function refused(result: RunPlan, reason: RegExp): void {
  assert.ok('problem' in result, JSON.stringify(result));
  assert.match(`${result.problem} ${result.next}`, reason);
}

test('one quoted prompt goes to the first model that writes text', () => {
  assert.deepEqual(plan(['What is up?']), { model: 'llama3.2:1b', prompt: 'What is up?' });
});

test('the alias default wins over the first model', () => {
  const known = [...KNOWN, aModel('default')];
  assert.deepEqual(plan(['hi'], { known }), { model: 'default', prompt: 'hi' });
});

test('a first word that is a model here is the model, however it is spelled', () => {
  assert.deepEqual(plan(['mistral', 'hi']), { model: 'mistral', prompt: 'hi' });
  assert.deepEqual(plan(['Llama3.2:1B', 'write', 'a', 'haiku']), {
    model: 'Llama3.2:1B',
    prompt: 'write a haiku',
  });
});

test('a known model name is never taken for a prompt', () => {
  refused(plan(['mistral']), /no prompt for mistral.*bigo chat mistral/);
  fc.assert(
    fc.property(
      fc.constantFrom(...KNOWN.map(model => model.name)),
      fc.array(fc.string(), { maxLength: 3 }),
      (name, rest) => {
        const result = plan([name, ...rest]);
        if ('prompt' in result) assert.equal(modelKey(result.model), modelKey(name));
      },
    ),
  );
});

test('a first word that can only be a model is refused with near names when it is not here', () => {
  refused(plan(['llama3.2:3b', 'hi']), /'llama3\.2:3b' is not here.*llama3\.2:1b.*bigo pull llama3\.2:3b/);
  refused(plan(['qwen3', 'What is up?']), /'qwen3' is not here/);
});

test('words without quotes are one prompt', () => {
  assert.deepEqual(plan(['what', 'is', 'up']), { model: 'llama3.2:1b', prompt: 'what is up' });
  assert.deepEqual(plan(['hello', 'world']), { model: 'llama3.2:1b', prompt: 'hello world' });
});

test('what is piped in comes after the prompt, or is the prompt', () => {
  assert.deepEqual(plan(['Review:'], { piped: 'diff\n' }), {
    model: 'llama3.2:1b',
    prompt: 'Review:\n\ndiff',
  });
  assert.deepEqual(plan(['mistral'], { piped: 'hi' }), { model: 'mistral', prompt: 'hi' });
  assert.deepEqual(plan([], { piped: 'hi' }), { model: 'llama3.2:1b', prompt: 'hi' });
});

test('nothing to say is refused', () => {
  refused(plan([]), /no prompt/);
  refused(plan([''], { piped: ' \n' }), /no prompt/);
});

test('--model makes every word prompt', () => {
  assert.deepEqual(plan(['mistral', 'hi'], { model: 'llama3.2:1b' }), {
    model: 'llama3.2:1b',
    prompt: 'mistral hi',
  });
  refused(plan(['hi'], { model: 'gone' }), /'gone' is not here/);
});

test('--tier is the alias of that name, and must exist', () => {
  assert.deepEqual(plan(['hi'], { tier: 'fast', known: [...KNOWN, aModel('fast:latest')] }), {
    model: 'fast',
    prompt: 'hi',
  });
  refused(plan(['hi'], { tier: 'fast' }), /workers\.ollama\.models\.fast/);
  refused(plan(['hi'], { tier: 'fast', model: 'mistral' }), /both name a model/);
});

test('without any model it says how to add one', () => {
  refused(plan(['hi'], { known: [] }), /no model here.*bigo pull/);
});
