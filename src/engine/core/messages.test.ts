// Chat messages on their way to a template. Never renders one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldSystem, readMessages, refuseImages, templateMessages, withoutOldest } from './messages.ts';

const said = (role: string, content: string) => ({ role, content });

test('system texts stay when old messages are dropped', () => {
  const chat = [said('system', 's'), said('user', '1'), said('assistant', '2'), said('user', '3')];
  assert.deepEqual(withoutOldest(chat, 0), chat);
  assert.deepEqual(withoutOldest(chat, 3), [said('system', 's'), said('user', '3')]);
});

test('for templates without a system role its text goes before the first user message', () => {
  const chat = [said('system', 's'), said('user', '1'), said('user', '2')];
  assert.deepEqual(foldSystem(chat), [said('user', 's\n\n1'), said('user', '2')]);
  assert.deepEqual(foldSystem([said('system', 's')]), []);
});

test('images are refused by a model that reads none', () => {
  const messages = readMessages([{ role: 'user', content: 'look', images: ['aGk='] }]);
  assert.throws(() => refuseImages('m', messages), { status: 400, message: /"m" does not support images/ });
  assert.doesNotThrow(() => refuseImages('m', [said('user', 'hi')]));
});

test('tool calls reach the template in the form of Hugging Face', () => {
  const [message] = templateMessages(
    readMessages([
      { role: 'assistant', tool_calls: [{ id: 'c1', function: { name: 'f', arguments: { a: 1 } } }] },
    ]),
  );
  assert.deepEqual(message?.['tool_calls'], [
    { id: 'c1', type: 'function', function: { name: 'f', arguments: { a: 1 } } },
  ]);
});
