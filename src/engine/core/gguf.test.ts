// GGUF headers, written here byte by byte. Never needs a model file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotGguf, ggufFacts, humanNumber, parseGguf, wholeFileBytes } from './gguf.ts';

class Writer {
  readonly #bytes: number[] = [];
  u32(value: number): this {
    this.#bytes.push(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255);
    return this;
  }
  u64(value: number): this {
    return this.u32(value).u32(0);
  }
  text(value: string): this {
    const encoded = new TextEncoder().encode(value);
    this.u64(encoded.length).#bytes.push(...encoded);
    return this;
  }
  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

const begin = (tensors: number, entries: number): Writer =>
  new Writer().u32(0x46554747).u32(3).u64(tensors).u64(entries);

function sample(): Uint8Array {
  const file = begin(1, 5);
  file.text('general.architecture').u32(8).text('llama');
  file.text('llama.context_length').u32(4).u32(2048);
  file.text('general.file_type').u32(4).u32(15);
  file.text('tokenizer.chat_template').u32(8).text('{{ tools }}');
  file.text('tokenizer.ggml.tokens').u32(9).u32(8).u64(100);
  for (let at = 0; at < 100; at++) file.text(`t${at}`);
  file.text('blk.0.weight').u32(2).u64(1024).u64(300).u32(12).u64(0);
  return file.done();
}

test('the header tells what the engine asks of it; long lists are counted, not kept', () => {
  const header = parseGguf(sample());
  assert.ok(header);
  const facts = ggufFacts(header);
  assert.equal(facts.architecture, 'llama');
  assert.equal(facts.contextLength, 2048);
  assert.equal(facts.fileType, 'Q4_K_M');
  assert.equal(facts.parameterSize, '307K');
  assert.equal(facts.chatTemplate, '{{ tools }}');
  assert.deepEqual(header.metadata.get('tokenizer.ggml.tokens'), { length: 100, items: undefined });
  assert.deepEqual(header.tensors, [{ name: 'blk.0.weight', type: 'Q4_K', shape: [1024, 300], offset: 0 }]);
});

test('a file must reach to the end of its last tensor, wherever in the list that stands', () => {
  const file = begin(3, 0);
  file.text('last').u32(2).u64(512).u64(2).u32(12).u64(4096);
  file.text('first').u32(1).u64(10).u32(0).u64(0);
  file.text('of a type that nobody knows').u32(1).u64(10).u32(999).u64(64);
  const bytes = file.done();
  const header = parseGguf(bytes);
  assert.ok(header);
  const dataAt = Math.ceil(bytes.length / 32) * 32;
  assert.equal(wholeFileBytes(header), dataAt + 4096 + ((512 * 2) / 256) * 144);
});

test('the data begins where the alignment of the file says', () => {
  const file = begin(1, 1);
  file.text('general.alignment').u32(4).u32(4096);
  file.text('only').u32(1).u64(3).u32(1).u64(0);
  const header = parseGguf(file.done());
  assert.ok(header);
  assert.equal(wholeFileBytes(header), 4096 + 3 * 2);
});

test('a header that is cut anywhere asks for more bytes', () => {
  const whole = sample();
  for (let length = 0; length < whole.length; length++)
    assert.equal(parseGguf(whole.subarray(0, length)), undefined);
});

test('what is no GGUF file is refused at once, and absurd counts too', () => {
  assert.throws(() => parseGguf(new TextEncoder().encode('this is a text file, not weights')), NotGguf);
  assert.throws(() => parseGguf(begin(0, 2 ** 30).done()), NotGguf);
  assert.throws(() => parseGguf(new Writer().u32(0x46554747).u32(99).u64(0).u64(0).done()), NotGguf);
});

test('numbers read as Ollama writes them', () => {
  assert.deepEqual([999, 1_500, 134_515_008, 7_000_000_000, 7_620_000_000].map(humanNumber), [
    '999',
    '2K',
    '134.52M',
    '7B',
    '7.6B',
  ]);
});
