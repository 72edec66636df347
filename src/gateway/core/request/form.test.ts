// Multipart forms: the model is found without holding or parsing the audio.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BigoError } from '../../../api/errors.ts';
import { applyEdits, modelEdit, parseInference } from './parse.ts';
import { ROUTES } from './routes.ts';

const type = 'multipart/form-data; boundary=XX';
const part = (name: string, value: string, more = ''): string =>
  `--XX\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function read(body: Uint8Array, contentType = type): ReturnType<typeof parseInference> {
  const route = ROUTES.find(candidate => candidate.id === 'v1_audio_transcriptions');
  assert.ok(route);
  return parseInference(route, body, contentType);
}

test('the model of a transcription is found among files and can be replaced', () => {
  const file = part('file', '\u0000\r\n--X\r\n"model"', '; filename="model"\r\nContent-Type: audio/wav');
  const body = encode(`${file}${part('model', 'fast')}--XX--\r\n`);
  const request = read(body);
  assert.ok(!(request instanceof BigoError));
  assert.equal(request.model, 'fast');
  const edited = new TextDecoder().decode(applyEdits(body, [modelEdit(request, 'llama3.2:1b')]));
  assert.equal(edited, `${file}${part('model', 'llama3.2:1b')}--XX--\r\n`);
});

test('a form with two models, none, or no end is refused', () => {
  const code = (text: string, contentType?: string): unknown => {
    const request = read(encode(text), contentType);
    return request instanceof BigoError ? request.code : request.model;
  };
  assert.equal(code(`${part('model', 'a')}${part('model', 'b')}--XX--`), 'ambiguous_key');
  assert.equal(code(`${part('file', 'a')}--XX--`), 'missing_model');
  assert.equal(code(`${part('model', '')}--XX--`), 'missing_model');
  assert.equal(code(`${part('model', '../../x/y/z')}--XX--`), 'invalid_model_name');
  assert.equal(code(part('model', 'a')), 'bad_request');
  assert.equal(code('hello'), 'bad_request');
  assert.equal(code('--XX--', 'multipart/form-data'), 'bad_request');
  assert.equal(code('{"model":"a"}', 'application/json'), 'unsupported_encoding');
});

test('no bytes make the form reader throw', () => {
  const pieces = fc.constantFrom(
    '--XX',
    '\r\n',
    '--',
    'name="model"',
    'Content-Disposition:',
    ';',
    'a',
    '\r\n\r\n',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), parts => {
      assert.ok(read(encode(parts.join(''))) !== undefined);
    }),
    { numRuns: 2000 },
  );
});
