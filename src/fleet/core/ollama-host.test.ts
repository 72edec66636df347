// The table of Ollama's own test (envconfig/config_test.go, TestHost) and what connecting needs beside it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectUrl, parseOllamaHost } from './ollama-host.ts';

const show = (value: string): string => {
  const { scheme, host, port, path } = parseOllamaHost(value);
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path === '' ? '' : `/${path}`}`;
};

test('OLLAMA_HOST means what Ollama takes it to mean', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'http://127.0.0.1:11434'],
    ['1.2.3.4', 'http://1.2.3.4:11434'],
    [':1234', 'http://:1234'],
    ['1.2.3.4:1234', 'http://1.2.3.4:1234'],
    ['example.com', 'http://example.com:11434'],
    ['example.com:1234', 'http://example.com:1234'],
    [':0', 'http://:0'],
    [':66000', 'http://:11434'],
    [':-1', 'http://:11434'],
    ['[::1]', 'http://[::1]:11434'],
    ['[::]', 'http://[::]:11434'],
    ['::1', 'http://[::1]:11434'],
    ['[::1]:1337', 'http://[::1]:1337'],
    [' 1.2.3.4 ', 'http://1.2.3.4:11434'],
    ['"1.2.3.4"', 'http://1.2.3.4:11434'],
    [`"'1.2.3.4'"`, 'http://1.2.3.4:11434'],
    ['http://1.2.3.4', 'http://1.2.3.4:80'],
    ['http://1.2.3.4:1234', 'http://1.2.3.4:1234'],
    ['http://:1234', 'http://:1234'],
    ['https://1.2.3.4', 'https://1.2.3.4:443'],
    ['https://1.2.3.4:4321', 'https://1.2.3.4:4321'],
    ['https://1.2.3.4:66000', 'https://1.2.3.4:443'],
    ['https://example.com/ollama', 'https://example.com:443/ollama'],
    ['example.com:1234/ollama', 'http://example.com:1234/ollama'],
    ['ollama.com', 'https://ollama.com:443'],
  ];
  for (const [value, wanted] of table) assert.equal(show(value), wanted, value);
});

test('an address that stands for every interface is reached over loopback', () => {
  const reach = (value: string): string => connectUrl(parseOllamaHost(value));
  assert.equal(reach('0.0.0.0'), 'http://127.0.0.1:11434');
  assert.equal(reach('[::]:80'), 'http://[::1]:80');
  assert.equal(reach(':1234'), 'http://127.0.0.1:1234');
  assert.equal(reach('https://h'), 'https://h:443');
});
