// Rules of how a backend is written. Never connects to one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBackendText, parseBackendUrl } from './backend-spec.ts';

test('a backend is its address, with stable defaults made from the address alone', () => {
  assert.deepEqual(parseBackendText('http://gpu-1:11434'), {
    name: 'gpu-1:11434',
    url: 'http://gpu-1:11434',
    store: 'gpu-1:11434',
    class: 'default',
  });
});

test('every field of a backend can be written after commas', () => {
  assert.deepEqual(parseBackendText('http://gpu-1:11434/,name=a,slots=4,store=nfs,class=a100'), {
    name: 'a',
    url: 'http://gpu-1:11434',
    slots: 4,
    store: 'nfs',
    class: 'a100',
  });
});

test('a store follows the name when it is not given', () => {
  const spec = parseBackendText('127.0.0.1:9,name=x');
  assert.ok(!('problem' in spec));
  assert.equal(spec.store, 'x');
});

test('a bare host means port 11434, a written scheme means its own port', () => {
  assert.deepEqual(parseBackendUrl('gpu-1'), { url: 'http://gpu-1:11434' });
  assert.deepEqual(parseBackendUrl('http://gpu-1'), { url: 'http://gpu-1:80' });
  assert.deepEqual(parseBackendUrl('https://gpu-1'), { url: 'https://gpu-1:443' });
  assert.deepEqual(parseBackendUrl('http://gpu-1:80/'), { url: 'http://gpu-1:80' });
  assert.deepEqual(parseBackendUrl('http://[::1]:11434'), { url: 'http://[::1]:11434' });
});

test('what cannot be a backend is refused with the reason', () => {
  const cases: [string, RegExp][] = [
    ['', /URL such as/],
    ['ftp://x', /begin with http/],
    ['http://user:pass@x:1', /user name or password/],
    ['http://x:1/v1', /end after the port/],
    ['http://x:1?a=b', /end after the port/],
    ['http://x:99999', /URL such as/],
    ['http://x:1,slots=0', /slots must be a whole number from 1 to 256/],
    ['http://x:1,slots=257', /slots must be/],
    ['http://x:1,slots=two', /slots must be/],
    ['http://x:1,name=', /name must be/],
    ['http://x:1,name=a b', /name must be/],
    ['http://x:1,name=a,name=b', /given twice/],
    ['http://x:1,slot=4', /"slot" is not known/],
  ];
  for (const [text, reason] of cases) {
    const result = parseBackendText(text);
    assert.ok('problem' in result, text);
    assert.match(result.problem, reason, text);
  }
});
