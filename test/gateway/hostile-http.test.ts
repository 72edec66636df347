// Malformed and smuggling HTTP against the main port: what is not clearly one request is refused, and the backend sees
// exactly the requests that were forwarded, never a part of somebody's body as a request.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { startRig, until } from './rig.ts';
import type { Rig } from './rig.ts';

const BODY = '{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}]}';
const HOST = 'host: localhost\r\n';
const LENGTH = `content-length: ${BODY.length}\r\n`;
const SMUGGLED = `POST /api/generate HTTP/1.1\r\n${HOST}content-length: 30\r\n\r\n{"model":"m","prompt":"smuggl"}`;

const post = (headers: string, body = BODY, line = 'POST /api/chat HTTP/1.1'): string =>
  `${line}\r\n${HOST}${headers}\r\n${body}`;
const chunked = (...parts: string[]): string => `${parts.join('')}0\r\n\r\n`;
const part = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** refused = 4xx or a closed connection, and nothing forwarded · served = 200, and forwarded once, byte for byte */
type Expected = 'refused' | 'served';
type Case = readonly [name: string, bytes: string, expected: Expected];

const LINES: Case[] = [
  ['no version', post(LENGTH, BODY, 'POST /api/chat'), 'refused'],
  ['HTTP/0.9', 'GET /api/version\r\n\r\n', 'refused'],
  ['HTTP/2.0', post(LENGTH, BODY, 'POST /api/chat HTTP/2.0'), 'refused'],
  ['HTTP/1.2', post(LENGTH, BODY, 'POST /api/chat HTTP/1.2'), 'refused'],
  ['HTTP/1.10', post(LENGTH, BODY, 'POST /api/chat HTTP/1.10'), 'refused'],
  ['lower case http', post(LENGTH, BODY, 'POST /api/chat http/1.1'), 'refused'],
  // Node reads over the second space; what is forwarded has one.
  ['two spaces', post(LENGTH, BODY, 'POST  /api/chat HTTP/1.1'), 'served'],
  ['a tab in the line', post(LENGTH, BODY, 'POST\t/api/chat\tHTTP/1.1'), 'refused'],
  ['a leading space', post(LENGTH, BODY, ' POST /api/chat HTTP/1.1'), 'refused'],
  ['a space after the version', post(LENGTH, BODY, 'POST /api/chat HTTP/1.1 '), 'refused'],
  ['lower case method', post(LENGTH, BODY, 'post /api/chat HTTP/1.1'), 'refused'],
  ['an unknown method', post(LENGTH, BODY, 'STEAL /api/chat HTTP/1.1'), 'refused'],
  ['CONNECT', 'CONNECT localhost:22 HTTP/1.1\r\nhost: localhost:22\r\n\r\n', 'refused'],
  [
    'absolute form of another host',
    post(LENGTH, BODY, 'POST http://evil.example/api/chat HTTP/1.1'),
    'refused',
  ],
  ['absolute form of this host', post(LENGTH, BODY, 'POST http://localhost/api/chat HTTP/1.1'), 'refused'],
  ['authority form', post(LENGTH, BODY, 'POST localhost:80 HTTP/1.1'), 'refused'],
  ['asterisk form', post('', '', 'OPTIONS * HTTP/1.1'), 'refused'],
  ['an empty path', post(LENGTH, BODY, 'POST  HTTP/1.1'), 'refused'],
  ['a path without slash', post(LENGTH, BODY, 'POST api/chat HTTP/1.1'), 'refused'],
  ['NUL in the path', post(LENGTH, BODY, 'POST /api/chat\0 HTTP/1.1'), 'refused'],
  ['bytes over 127 in the path', post(LENGTH, BODY, 'POST /api/chat\xff HTTP/1.1'), 'refused'],
  ['a fragment in the path', post(LENGTH, BODY, 'POST /api/chat#x HTTP/1.1'), 'refused'],
  ['a line feed in the path', post(LENGTH, BODY, 'POST /api/ch\nat HTTP/1.1'), 'refused'],
  ['a path of 40 KB', post(LENGTH, BODY, `POST /${'a'.repeat(40_000)} HTTP/1.1`), 'refused'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'refused'],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'refused'],
  ['a response', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 'refused'],
  ['a PROXY line', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${post(LENGTH)}`, 'refused'],
  ['an empty line first', `\r\n${post(LENGTH)}`, 'served'],
  ['a query', post(LENGTH, BODY, 'POST /api/chat?beta=true HTTP/1.1'), 'served'],
];

const HEADERS: Case[] = [
  ['no Host', `POST /api/chat HTTP/1.1\r\n${LENGTH}\r\n${BODY}`, 'refused'],
  ['two Hosts', post(`${LENGTH}host: evil.example\r\n`), 'refused'],
  ['an empty Host', `POST /api/chat HTTP/1.1\r\nhost:\r\n${LENGTH}\r\n${BODY}`, 'served'],
  ['a Host with a path', `POST /api/chat HTTP/1.1\r\nhost: localhost/x\r\n${LENGTH}\r\n${BODY}`, 'refused'],
  [
    'a Host with user info',
    `POST /api/chat HTTP/1.1\r\nhost: a@localhost\r\n${LENGTH}\r\n${BODY}`,
    'refused',
  ],
  ['a Host with a space', `POST /api/chat HTTP/1.1\r\nhost: local host\r\n${LENGTH}\r\n${BODY}`, 'refused'],
  ['a space before the colon', post(`${LENGTH}x-a : 1\r\n`), 'refused'],
  ['a space before the colon of the length', post(`content-length : ${BODY.length}\r\n`), 'refused'],
  ['a header without colon', post(`${LENGTH}nonsense\r\n`), 'refused'],
  ['an empty header name', post(`${LENGTH}: x\r\n`), 'refused'],
  ['obs-fold', post(`${LENGTH}x-a: 1\r\n folded\r\n`), 'refused'],
  [
    'obs-fold of the first header',
    `POST /api/chat HTTP/1.1\r\n host: localhost\r\n${LENGTH}\r\n${BODY}`,
    'refused',
  ],
  [
    'a tab fold of Transfer-Encoding',
    post('transfer-encoding:\r\n\tchunked\r\n', chunked(part(BODY))),
    'refused',
  ],
  ['NUL in a value', post(`${LENGTH}x-a: a\0b\r\n`), 'refused'],
  ['NUL in a name', post(`${LENGTH}x-\0a: b\r\n`), 'refused'],
  ['a bare CR in a value', post(`${LENGTH}x-a: a\rb\r\n`), 'refused'],
  ['a control character in a value', post(`${LENGTH}x-a: a\x01b\r\n`), 'refused'],
  ['DEL in a value', post(`${LENGTH}x-a: a\x7fb\r\n`), 'refused'],
  ['a bare LF after a header', post(`content-length: ${BODY.length}\nx-a: b\r\n`), 'refused'],
  ['bare LF everywhere', post(LENGTH).replaceAll('\r\n', '\n'), 'refused'],
  ['bare CR everywhere', post(LENGTH).replaceAll('\r\n', '\r'), 'refused'],
  ['a header of 40 KB', post(`${LENGTH}x-a: ${'a'.repeat(40_000)}\r\n`), 'refused'],
  ['3,000 headers', post(LENGTH + 'x-a: bbbbbbbb\r\n'.repeat(3_000)), 'refused'],
  ['a quote in a name', post(`${LENGTH}x"a: b\r\n`), 'refused'],
  ['a byte over 127 in a name', post(`${LENGTH}x-\xe9: b\r\n`), 'refused'],
  ['Expect of another kind', post(`${LENGTH}expect: 200-ok\r\n`), 'refused'],
  ['Latin-1 in a value', post(`${LENGTH}x-a: \xe9\r\n`), 'served'],
  ['an empty value', post(`${LENGTH}x-a:\r\n`), 'served'],
  ['names in capitals', post(`CONTENT-LENGTH: ${BODY.length}\r\n`), 'served'],
  ['a tab before the value', post(`content-length:\t${BODY.length}\r\n`), 'served'],
  ['Upgrade to websocket', post(`${LENGTH}connection: upgrade\r\nupgrade: websocket\r\n`), 'served'],
  [
    'Upgrade to h2c',
    post(`${LENGTH}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n`),
    'served',
  ],
  ['Connection: content-length', post(`${LENGTH}connection: content-length\r\n`), 'served'],
];

const LENGTHS: Case[] = [
  ...[
    'abc',
    '-1',
    '+5',
    '0x10',
    '1e2',
    '1.0',
    '5,',
    '',
    ' ',
    '5 5',
    '"5"',
    '18446744073709551616',
    '99999999999999999999',
    '١',
  ].map((length): Case => [
    `content-length: ${JSON.stringify(length)}`,
    post(`content-length: ${length}\r\n`),
    'refused',
  ]),
  ['two different lengths', post(`${LENGTH}content-length: 5\r\n`), 'refused'],
  ['two equal lengths', post(LENGTH + LENGTH), 'refused'],
  ['a list of lengths', post(`content-length: ${BODY.length}, ${BODY.length}\r\n`), 'refused'],
  ['a list of other lengths', post(`content-length: ${BODY.length}, 5\r\n`), 'refused'],
  ['length and chunked', post(`${LENGTH}transfer-encoding: chunked\r\n`, chunked(part(BODY))), 'refused'],
  ['chunked and length', post(`transfer-encoding: chunked\r\n${LENGTH}`, chunked(part(BODY))), 'refused'],
  [
    'length 0 and chunked, with a request behind',
    post('content-length: 0\r\ntransfer-encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'length and chunked with a request behind',
    post(`content-length: 4\r\ntransfer-encoding: chunked\r\n`, `5c\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    'refused',
  ],
  ['length with a leading zero', post(`content-length: 0${BODY.length}\r\n`), 'served'],
  ['spaces around the length', post(`content-length:   ${BODY.length}  \r\n`), 'served'],
];

const CODINGS: Case[] = [
  ...[
    'gzip',
    'identity',
    'chunked, identity',
    'identity, chunked, identity',
    'xchunked',
    'chunkedx',
    'x, chunked',
    '"chunked"',
    'chunked;q=1',
    'chunked\x0b',
    'chunk ed',
    'cow',
    'gzip, chunked',
    'chunked, chunked',
  ].map((coding): Case => [
    `transfer-encoding: ${JSON.stringify(coding)} with a request behind`,
    post(`transfer-encoding: ${coding}\r\n`, `${chunked(part(BODY))}`),
    'refused',
  ]),
  [
    'two Transfer-Encodings',
    post('transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n', chunked(part(BODY))),
    'refused',
  ],
  [
    'chunked twice',
    post('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', chunked(part(BODY))),
    'refused',
  ],
  ['a space before the colon', post('transfer-encoding : chunked\r\n', chunked(part(BODY))), 'refused'],
  ['an underscore instead of the dash', post(`transfer_encoding: chunked\r\n${LENGTH}`), 'served'],
  ['Chunked in capitals', post('Transfer-Encoding: CHUNKED\r\n', chunked(part(BODY))), 'served'],
  [
    'chunked in two pieces',
    post('transfer-encoding: chunked\r\n', chunked(part(BODY.slice(0, 9)), part(BODY.slice(9)))),
    'served',
  ],
];

const te = (body: string): string => post('transfer-encoding: chunked\r\n', body);
const hex = BODY.length.toString(16);
const CHUNKS: Case[] = [
  ['size not hexadecimal', te(`zz\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['size 0x…', te(`0x${hex}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['size with a plus', te(`+${hex}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['negative size', te(`-${hex}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['empty size', te(`\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['a space before the size', te(` ${hex}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['a space after the size', te(`${hex} \r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['a tab after the size', te(`${hex}\t\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['an underscore in the size', te(`4_9\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['a size over 2^64', te(`10000000000000000${hex}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['bare LF after the size', te(`${hex}\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['bare CR after the size', te(`${hex}\r${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['bare LF after the data', te(`${hex}\r\n${BODY}\n0\r\n\r\n`), 'refused'],
  ['data longer than the size', te(`5\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['data shorter than the size', te(`ff\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['no last chunk', te(part(BODY)), 'refused'],
  ['bare LF in an extension', te(`${hex};a=b\nc\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['bare CR in an extension', te(`${hex};a=b\rc\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['an extension of 20 KB', te(`${hex};a=${'b'.repeat(20_000)}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['a request in an extension', te(`${hex};${SMUGGLED}\r\n${BODY}\r\n0\r\n\r\n`), 'refused'],
  ['a bad trailer', te(`${part(BODY)}0\r\nno colon\r\n\r\n`), 'refused'],
  ['an obs-fold trailer', te(`${part(BODY)}0\r\nx-a: b\r\n c\r\n\r\n`), 'refused'],
  ['a small extension', te(`${hex};a=b\r\n${BODY}\r\n0\r\n\r\n`), 'served'],
  ['leading zeros in the size', te(`000${hex}\r\n${BODY}\r\n0\r\n\r\n`), 'served'],
  ['a trailer', te(`${part(BODY)}0\r\nx-a: b\r\n\r\n`), 'served'],
  ['a Content-Length trailer', te(`${part(BODY)}0\r\ncontent-length: 5\r\n\r\n`), 'refused'],
];

const BODIES: Case[] = [
  ['a request as body', post(`content-length: ${SMUGGLED.length}\r\n`, SMUGGLED), 'refused'],
  ['a body shorter than its length', post('content-length: 500\r\n'), 'refused'],
  ['no body', post(''), 'refused'],
  ['NUL bytes', post('content-length: 5\r\n', '\0\0\0\0\0'), 'refused'],
  ['a byte order mark', post(`content-length: ${BODY.length + 3}\r\n`, `\xef\xbb\xbf${BODY}`), 'refused'],
  ['UTF-16', post('content-length: 8\r\n', '{\0"\0m\0"\0'), 'refused'],
  ['an array', post('content-length: 2\r\n', '[]'), 'refused'],
  ['two JSON values', post(`content-length: ${BODY.length + 2}\r\n`, `${BODY}{}`), 'refused'],
  [
    'form encoding',
    post('content-type: application/x-www-form-urlencoded\r\ncontent-length: 7\r\n', 'model=m'),
    'refused',
  ],
  ['brackets 100,000 deep', post('content-length: 100000\r\n', '['.repeat(100_000)), 'refused'],
];

const ALL: readonly (readonly [string, readonly Case[]])[] = [
  ['request line', LINES],
  ['header', HEADERS],
  ['length', LENGTHS],
  ['coding', CODINGS],
  ['chunk', CHUNKS],
  ['body', BODIES],
];

let rig: Rig;
before(async () => {
  rig = await startRig({ time: { receiveMsMax: 400 } });
});
after(() => rig.stop());

test('the table has at least 120 cases, each with its own name', () => {
  const names = ALL.flatMap(([group, cases]) => cases.map(([name]) => `${group}: ${name}`));
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 120, `${names.length} cases`);
});

for (const [group, cases] of ALL) {
  test(`${group}: ${cases.length} cases are refused or forwarded exactly`, async () => {
    const wrong: string[] = [];
    for (const [name, bytes, expected] of cases) {
      const problem = await tryOne(bytes, expected);
      if (problem !== undefined) wrong.push(`${name}: ${problem}`);
    }
    await rig.assertClean();
    assert.deepEqual(wrong, []);
  });
}

async function tryOne(bytes: string, expected: Expected): Promise<string | undefined> {
  rig.backend.seen.length = 0;
  const client = await rig.connect();
  client.write(bytes);
  const status = (): string => /^HTTP\/1\.1 (\d{3})/.exec(client.received)?.[1] ?? '';
  await until(
    async () => client.closed || /^HTTP\/1\.1 \d{3}[^]*\r\n\r\n/.test(client.received),
    async () => `${JSON.stringify(bytes.slice(0, 80))}: ${client.received.slice(0, 200)}`,
  );
  await until(
    async () => (await rig.view()).inFlight === 0,
    async () => 'still running',
  );
  client.socket.destroy();
  const forwarded = rig.backend.seen.map(seen => seen.body);
  if (expected === 'refused') {
    if (forwarded.length > 0) return `forwarded ${JSON.stringify(forwarded)}`;
    return status() === '' || status().startsWith('4') ? undefined : `status ${status()}`;
  }
  if (status() !== '200') return `status ${status()}: ${client.received.slice(0, 300)}`;
  if (forwarded.length !== 1 || forwarded[0] !== BODY) return `forwarded ${JSON.stringify(forwarded)}`;
  const head = rig.backend.seen[0]?.headers;
  if (head?.get('content-length') !== String(BODY.length) || head.has('transfer-encoding'))
    return 'its framing is wrong';
  return /Transfer-Encoding: chunked/i.test(client.received) ? 'a held answer came chunked' : undefined;
}
