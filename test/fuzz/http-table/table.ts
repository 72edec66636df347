// The table of malformed, ambiguous and hostile HTTP requests, each with what must become of it.
// A case adds bytes to a request that is fine without them; the comment or name says which bytes matter.

/**
 * refused = 4xx or 5xx, the connection ends, the backend sees nothing ·
 * answered = a well-formed request that is refused by its meaning; the backend sees nothing ·
 * forwarded = the backend sees exactly one clean request with our body ·
 * either = refused, or forwarded clean (the RFC leaves it open)
 */
export type Fate = 'refused' | 'answered' | 'forwarded' | 'either';

export interface HttpCase {
  readonly name: string;
  readonly bytes: readonly (string | Uint8Array)[];
  readonly fate: Fate;
  /** Exact status, where one is right. */
  readonly status?: number;
  /** What follows the request may end the connection before its answer is out, or before it is sent on. */
  readonly anyStatus?: boolean;
  /** The client sends no more: some bytes only make sense before an end. */
  readonly finish?: boolean;
  /** Header names that must not reach the backend. */
  readonly stripped?: readonly string[];
}

const BODY = '{"model":"m","prompt":"marker","stream":false}';
/** What would be run if somebody read two requests where one was sent. */
const SMUGGLED =
  'POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 48\r\n\r\n{"model":"m","prompt":"smuggled","stream":false}';

const LENGTH = `Content-Length: ${BODY.length}`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const chunked = `${chunk(BODY)}0\r\n\r\n`;

interface Parts {
  readonly line?: string;
  readonly host?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

function request(parts: Parts): string {
  const line = parts.line ?? 'POST /api/generate HTTP/1.1';
  const host = parts.host ?? 'Host: localhost';
  const headers = parts.headers ?? [LENGTH];
  return `${[line, ...(host === '' ? [] : [host]), ...headers].join('\r\n')}\r\n\r\n${parts.body ?? BODY}`;
}

type Extra = Omit<HttpCase, 'name' | 'bytes' | 'fate'>;
const row = (fate: Fate, name: string, bytes: string, extra: Extra = {}): HttpCase => ({
  name,
  bytes: [bytes],
  fate,
  ...extra,
});
const framing = (fate: Fate, name: string, headers: readonly string[], body: string): HttpCase =>
  row(fate, `framing: ${name}`, request({ headers, body: body + SMUGGLED }));

const FRAMING: readonly HttpCase[] = [
  framing('refused', 'length and chunked', [LENGTH, 'Transfer-Encoding: chunked'], chunked),
  framing('refused', 'chunked and length', ['Transfer-Encoding: chunked', LENGTH], chunked),
  framing('refused', 'length 0 and chunked', ['Content-Length: 0', 'Transfer-Encoding: chunked'], chunked),
  framing('refused', 'two different lengths', [LENGTH, 'Content-Length: 1'], BODY),
  framing('refused', 'two different lengths, the short one first', ['Content-Length: 1', LENGTH], BODY),
  framing('either', 'the same length twice', [LENGTH, LENGTH], BODY),
  framing('refused', 'a list of lengths', [`Content-Length: ${BODY.length}, ${BODY.length}`], BODY),
  framing('refused', 'a list of different lengths', [`Content-Length: ${BODY.length}, 1`], BODY),
  framing('refused', 'a length with a plus', [`Content-Length: +${BODY.length}`], BODY),
  framing('refused', 'a negative length', ['Content-Length: -1'], BODY),
  framing('refused', 'a hexadecimal length', ['Content-Length: 0x2e'], BODY),
  framing('refused', 'a length with a point', [`Content-Length: ${BODY.length}.0`], BODY),
  framing('refused', 'a length with an exponent', ['Content-Length: 4e1'], BODY),
  framing('refused', 'a length with a space inside', ['Content-Length: 4 6'], BODY),
  framing('refused', 'a length with letters', ['Content-Length: 46a'], BODY),
  framing('refused', 'an empty length', ['Content-Length:'], BODY),
  framing('refused', 'a length of 2^64 and more', ['Content-Length: 18446744073709551662'], BODY),
  framing('refused', 'a length of 30 digits', [`Content-Length: ${'9'.repeat(30)}`], BODY),
  framing('refused', 'a length with a NUL', [`Content-Length: ${BODY.length}\0`], BODY),
  framing('refused', 'a length in other digits', ['Content-Length: \xb2\xb3'], BODY),
  framing('refused', 'a space before the colon of the length', [`Content-Length : ${BODY.length}`], BODY),
  framing('refused', 'an unknown coding', ['Transfer-Encoding: xchunked'], chunked),
  framing('refused', 'identity', ['Transfer-Encoding: identity', LENGTH], BODY),
  framing('refused', 'chunked twice in one header', ['Transfer-Encoding: chunked, chunked'], chunked),
  framing(
    'refused',
    'chunked in two headers',
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    chunked,
  ),
  framing(
    'refused',
    'chunked, then identity',
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    chunked,
  ),
  framing('refused', 'chunked is not the last coding', ['Transfer-Encoding: chunked, gzip'], chunked),
  framing('refused', 'gzip under chunked', ['Transfer-Encoding: gzip, chunked'], chunked),
  framing('refused', 'a quoted coding', ['Transfer-Encoding: "chunked"'], chunked),
  framing('refused', 'an empty coding beside a length', ['Transfer-Encoding:', LENGTH], BODY),
  framing('refused', 'a space before the colon of the coding', ['Transfer-Encoding : chunked'], chunked),
  framing('refused', 'a tab before the colon of the coding', ['Transfer-Encoding\t: chunked'], chunked),
  framing('refused', 'a coding on a folded line', ['Transfer-Encoding:\r\n chunked'], chunked),
  framing(
    'refused',
    'a coding as a continued line of another header',
    [LENGTH, 'X-A: b\r\n Transfer-Encoding: chunked'],
    BODY,
  ),
  framing('refused', 'a vertical tab in the coding', ['Transfer-Encoding: \x0bchunked'], chunked),
  framing('refused', 'a NUL in the coding', ['Transfer-Encoding: chunked\0'], chunked),
  framing('refused', 'a coding after a bare LF', [LENGTH, 'X-A: b\nTransfer-Encoding: chunked'], BODY),
  framing('refused', 'a coding after a bare CR', [LENGTH, 'X-A: b\rTransfer-Encoding: chunked'], BODY),
  framing(
    'either',
    'a coding with an underscore is another header',
    [LENGTH, 'Transfer_Encoding: chunked'],
    BODY,
  ),
  framing('either', 'a coding in capitals', ['Transfer-Encoding: CHUNKED'], chunked),
  framing('either', 'a coding with a comma behind', ['Transfer-Encoding: chunked,'], chunked),
  framing('refused', 'chunked under HTTP/1.0', ['Transfer-Encoding: chunked', LENGTH], chunked),
];

const chunks = (fate: Fate, name: string, body: string, extra: Extra = {}): HttpCase =>
  row(
    fate,
    `chunks: ${name}`,
    request({
      headers: ['Transfer-Encoding: chunked'],
      body: body + (extra.finish === true ? '' : SMUGGLED),
    }),
    extra,
  );
const size = BODY.length.toString(16);

const CHUNKS: readonly HttpCase[] = [
  row(
    'forwarded',
    'chunks: a clean chunked body',
    request({ headers: ['Transfer-Encoding: chunked'], body: chunked }),
  ),
  row(
    'forwarded',
    'chunks: many small ones',
    request({
      headers: ['Transfer-Encoding: chunked'],
      body: `${BODY.split('').map(chunk).join('')}0\r\n\r\n`,
    }),
  ),
  row(
    'either',
    'chunks: an extension',
    request({ headers: ['Transfer-Encoding: chunked'], body: `${size};a=b\r\n${BODY}\r\n0\r\n\r\n` }),
  ),
  row(
    'either',
    'chunks: a quoted extension',
    request({ headers: ['Transfer-Encoding: chunked'], body: `${size};a="b;c"\r\n${BODY}\r\n0\r\n\r\n` }),
  ),
  chunks('refused', 'an LF ends the size', `${size}\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'an LF ends the data', `${size}\r\n${BODY}\n0\r\n\r\n`),
  chunks('refused', 'a CR ends the size', `${size}\r${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'nothing ends the data', `${size}\r\n${BODY}0\r\n\r\n`),
  chunks('refused', 'an LF in an extension', `${size};a\nb\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a size with 0x', `0x${size}\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a size with a plus', `+${size}\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a negative size', `-1\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a size with a space before', ` ${size}\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('either', 'a size with a space behind', `${size} \r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'an empty size', `\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a size that is no number', `zz\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a size of 2^64 and more', `1000000000000000${size}\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'a size of all ones', `ffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n`, { finish: true }),
  chunks('refused', 'a size smaller than the data', `5\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'an extension of 100 KB', `${size};${'a'.repeat(100_000)}\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('either', 'a size of 100,000 zeros', `${'0'.repeat(100_000)}${size}\r\n${BODY}\r\n0\r\n\r\n`),
  chunks('refused', 'cut in the data', `${size}\r\n${BODY.slice(0, 10)}`, { finish: true }),
  chunks('refused', 'cut before the last chunk', `${size}\r\n${BODY}\r\n`, { finish: true }),
  row(
    'either',
    'chunks: a length in the trailer',
    request({
      headers: ['Transfer-Encoding: chunked', 'Trailer: Content-Length'],
      body: `${chunk(BODY)}0\r\nContent-Length: 5\r\n\r\n`,
    }),
    { stripped: ['content-length-trailer', 'trailer'] },
  ),
  row(
    'either',
    'chunks: a coding in the trailer',
    request({
      headers: ['Transfer-Encoding: chunked'],
      body: `${chunk(BODY)}0\r\nTransfer-Encoding: chunked\r\n\r\n`,
    }),
  ),
  row(
    'either',
    'chunks: our own header in the trailer',
    request({
      headers: ['Transfer-Encoding: chunked'],
      body: `${chunk(BODY)}0\r\nx-bigo-priority: high\r\n\r\n`,
    }),
    { stripped: ['x-bigo-priority'] },
  ),
  chunks('refused', 'a trailer without a colon', `${chunk(BODY)}0\r\nnothing\r\n\r\n`),
];

const lined = (fate: Fate, name: string, line: string, extra: Extra = {}): HttpCase =>
  row(fate, `line: ${name}`, request({ line }), extra);

const LINES: readonly HttpCase[] = [
  row('forwarded', 'line: a clean request', request({})),
  row('either', 'line: one empty line before', `\r\n${request({})}`),
  row('refused', 'line: only LF everywhere', request({}).replaceAll('\r\n', '\n')),
  row('refused', 'line: only CR everywhere', request({}).replaceAll('\r\n', '\r'), { finish: true }),
  row('refused', 'line: a space before', ` ${request({})}`),
  lined('either', 'two spaces', 'POST  /api/generate HTTP/1.1'),
  lined('refused', 'a tab for a space', 'POST\t/api/generate HTTP/1.1'),
  lined('refused', 'no version', 'POST /api/generate'),
  lined('refused', 'HTTP/0.9', 'POST /api/generate HTTP/0.9'),
  lined('refused', 'HTTP/2.0', 'POST /api/generate HTTP/2.0'),
  lined('refused', 'HTTP/1.2', 'POST /api/generate HTTP/1.2'),
  lined('refused', 'HTTP/1.10', 'POST /api/generate HTTP/1.10'),
  lined('refused', 'http in small letters', 'POST /api/generate http/1.1'),
  lined('either', 'another protocol', 'POST /api/generate RTSP/1.0'),
  lined('refused', 'text behind the version', 'POST /api/generate HTTP/1.1 x'),
  lined('refused', 'the preface of HTTP/2', 'PRI * HTTP/2.0'),
  lined('refused', 'a method in small letters', 'post /api/generate HTTP/1.1'),
  lined('refused', 'a method with a bracket', 'PO(ST /api/generate HTTP/1.1'),
  lined('refused', 'a method of 10,000 letters', `${'P'.repeat(10_000)} /api/generate HTTP/1.1`),
  lined('refused', 'a NUL in the path', 'POST /api/gene\0rate HTTP/1.1'),
  lined('refused', 'a space in the path', 'POST /api/gene rate HTTP/1.1'),
  lined('refused', 'a control character in the path', 'POST /api/gene\x01rate HTTP/1.1'),
  lined('refused', 'a path that does not begin with a slash', 'POST api/generate HTTP/1.1'),
  lined('refused', 'a path of 100 KB', `POST /${'a'.repeat(100_000)} HTTP/1.1`),
  lined('answered', 'a path with other letters', 'POST /api/g\xe9n\xe9rate HTTP/1.1'),
  lined('either', 'another host in the absolute form', 'POST http://evil.example/api/generate HTTP/1.1'),
  lined('either', 'the absolute form', 'POST http://localhost/api/generate HTTP/1.1'),
  lined('answered', 'the absolute form of a file', 'POST file:///etc/passwd HTTP/1.1'),
  row('refused', 'line: CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n'),
  row('answered', 'line: OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  row('answered', 'line: TRACE', 'TRACE /api/generate HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  lined('answered', 'a doubled slash', 'POST //api/generate HTTP/1.1', { status: 404 }),
  lined('answered', 'dots in the path', 'POST /api/x/../generate HTTP/1.1', { status: 404 }),
  lined('answered', 'a dot in the path', 'POST /./api/generate HTTP/1.1', { status: 404 }),
  lined('answered', 'an encoded letter of the path', 'POST /api/%67enerate HTTP/1.1', { status: 404 }),
  lined('answered', 'an encoded slash', 'POST /api%2fgenerate HTTP/1.1', { status: 404 }),
  lined('answered', 'a slash behind', 'POST /api/generate/ HTTP/1.1', { status: 404 }),
  lined('answered', 'backslashes', 'POST /api\\generate HTTP/1.1', { status: 404 }),
  lined('answered', 'a path parameter', 'POST /api/generate;x=1 HTTP/1.1', { status: 404 }),
  lined('answered', 'a path that Ollama serves by accident', 'POST /debug/pprof/heap HTTP/1.1', {
    status: 404,
  }),
  lined('answered', 'capitals in the path', 'POST /API/GENERATE HTTP/1.1', { status: 404 }),
  lined('either', 'a fragment', 'POST /api/generate#x HTTP/1.1'),
  lined('either', 'a query', 'POST /api/generate?model=other HTTP/1.1'),
  lined('either', 'HTTP/1.0 with a length', 'POST /api/generate HTTP/1.0'),
];

const headed = (fate: Fate, name: string, headers: readonly string[], extra: Extra = {}): HttpCase =>
  row(fate, `header: ${name}`, request({ headers: [LENGTH, ...headers] }), extra);
const hosted = (fate: Fate, name: string, host: string, extra: Extra = {}): HttpCase =>
  row(fate, `host: ${name}`, request({ host }), extra);
const gone = (name: string, header: string, ...stripped: string[]): HttpCase =>
  headed('forwarded', name, [header], { stripped });

const HEADERS: readonly HttpCase[] = [
  hosted('refused', 'none', ''),
  hosted('either', 'empty', 'Host:'),
  hosted('refused', 'two different', 'Host: localhost\r\nHost: evil.example'),
  hosted('either', 'the same twice', 'Host: localhost\r\nHost: localhost'),
  hosted('answered', 'a foreign name', 'Host: evil.example', { status: 403 }),
  hosted('answered', 'a name that begins like ours', 'Host: localhost.evil.example', { status: 403 }),
  hosted('answered', 'user and host', 'Host: localhost@evil.example'),
  hosted('answered', 'with a path', 'Host: localhost/evil'),
  hosted('answered', 'with a space', 'Host: local host'),
  headed('refused', 'no colon', ['nothing']),
  headed('refused', 'no name', [': x']),
  headed('refused', 'a space in the name', ['X A: b']),
  headed('refused', 'a NUL in the name', ['X\0A: b']),
  headed('refused', 'a bracket in the name', ['X(A): b']),
  headed('refused', 'letters beyond ASCII in the name', ['X-\xc4: b']),
  headed('refused', 'a NUL in the value', ['X-A: b\0c']),
  headed('refused', 'a CR in the value', ['X-A: b\rc']),
  headed('refused', 'an LF in the value', ['X-A: b\nX-B: c']),
  headed('refused', 'a folded value', ['X-A: b\r\n c']),
  headed('refused', 'DEL in the value', ['X-A: b\x7fc']),
  headed('forwarded', 'letters beyond ASCII in the value', ['X-A: \xe9']),
  headed('refused', 'a value of 100 KB', [`X-A: ${'a'.repeat(100_000)}`], { status: 431 }),
  headed(
    'refused',
    '10,000 headers',
    Array.from({ length: 10_000 }, (_, at) => `X-${at}: y`),
    { status: 431 },
  ),
  gone('one named by Connection', 'Connection: close, X-Secret\r\nX-Secret: s', 'x-secret'),
  gone('Connection names the length', 'Connection: Content-Length'),
  gone('Keep-Alive', 'Keep-Alive: timeout=5', 'keep-alive'),
  gone('Proxy-Connection', 'Proxy-Connection: keep-alive', 'proxy-connection'),
  gone('Proxy-Authorization', 'Proxy-Authorization: Basic eA==', 'proxy-authorization'),
  gone('TE', 'TE: trailers, deflate', 'te'),
  gone('Trailer', 'Trailer: X-A', 'trailer'),
  gone('Authorization', 'Authorization: Bearer canary', 'authorization'),
  gone('x-api-key', 'x-api-key: canary', 'x-api-key'),
  gone('Cookie', 'Cookie: a=b', 'cookie'),
  gone('Origin of this machine', 'Origin: http://localhost:3000', 'origin'),
  gone('Accept-Encoding', 'Accept-Encoding: gzip, br', 'accept-encoding'),
  gone('Range', 'Range: bytes=0-1', 'range'),
  gone('another method', 'X-HTTP-Method-Override: DELETE', 'x-http-method-override'),
  gone(
    'another path',
    'X-Original-URL: /api/delete\r\nX-Rewrite-URL: /api/delete',
    'x-original-url',
    'x-rewrite-url',
  ),
  gone('another host', 'X-Forwarded-Host: evil.example', 'x-forwarded-host'),
  gone(
    'our own marks',
    'x-bigo-backend: b\r\nx-bigo-reason: r\r\nx-bigo-hop: 1',
    'x-bigo-backend',
    'x-bigo-reason',
  ),
  headed('either', 'Upgrade: websocket', ['Connection: Upgrade', 'Upgrade: websocket'], {
    stripped: ['upgrade'],
  }),
  headed(
    'either',
    'Upgrade: h2c',
    ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'],
    { stripped: ['upgrade', 'http2-settings'] },
  ),
  headed('forwarded', 'Expect: 100-continue', ['Expect: 100-continue'], { stripped: ['expect'] }),
  headed('refused', 'another expectation', ['Expect: 200-ok']),
  headed('answered', 'a foreign Origin', ['Origin: http://evil.example'], { status: 403 }),
  headed('answered', 'a null Origin', ['Origin: null'], { status: 403 }),
  headed('answered', 'a body in gzip', ['Content-Encoding: gzip'], { status: 415 }),
  headed('either', 'a body that calls itself a form', ['Content-Type: application/x-www-form-urlencoded']),
  headed('forwarded', 'a body that calls itself text', ['Content-Type: text/plain']),
];

const withBody = (fate: Fate, name: string, body: string | Uint8Array, extra: Extra = {}): HttpCase => {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  const head = request({ headers: [`Content-Length: ${bytes.length}`], body: '' });
  return { name: `body: ${name}`, bytes: [head, bytes], fate, ...extra };
};
const bad = (name: string, body: string | Uint8Array, status = 400): HttpCase =>
  withBody('answered', name, body, { status });

const BODIES: readonly HttpCase[] = [
  bad('nothing', ''),
  bad('white space', ' \n '),
  bad('no JSON', 'model=m'),
  bad('cut JSON', '{"model":"m","prompt":"mar'),
  bad('text behind the JSON', `${BODY} x`),
  bad('a second value behind the JSON', `${BODY}${BODY}`),
  bad('an array', '["m"]'),
  bad('a number', '1'),
  bad('null', 'null'),
  bad('single quotes', "{'model':'m'}"),
  bad('a comment', '{/*x*/"model":"m","prompt":"marker"}'),
  bad('a comma too many', '{"model":"m","prompt":"marker",}'),
  bad('NaN', '{"model":"m","prompt":"marker","options":{"temperature":NaN}}'),
  bad('the model twice', '{"model":"m","prompt":"marker","model":"other"}'),
  bad('the model in capitals too', '{"model":"m","prompt":"marker","MODEL":"other"}'),
  bad('the model only in capitals', '{"MODEL":"m","prompt":"marker"}'),
  bad('the model with an escaped letter too', '{"model":"m","prompt":"marker","\\u006dodel":"other"}'),
  bad('the stream twice', '{"model":"m","prompt":"marker","stream":false,"stream":true}'),
  bad('the stream with a long s', '{"model":"m","prompt":"marker","stream":false,"\u017Ftream":true}'),
  bad('keep_alive with a Kelvin sign', '{"model":"m","prompt":"marker","keep_alive":1,"\u212Aeep_alive":0}'),
  bad('options in mixed case', '{"model":"m","prompt":"marker","options":{},"Options":{"num_ctx":1}}'),
  bad('a model that is no text', '{"model":["m"],"prompt":"marker"}'),
  bad('a model with a line end', '{"model":"m\\r\\nX: y","prompt":"marker"}'),
  bad('a model with a NUL', '{"model":"m\\u0000","prompt":"marker"}'),
  bad('a model that climbs', '{"model":"../../etc/passwd","prompt":"marker"}'),
  withBody('answered', 'a model of 10,000 letters', `{"model":"${'m'.repeat(10_000)}","prompt":"marker"}`),
  bad('a control character in a text', '{"model":"m","prompt":"mar\u0001ker"}'),
  bad('UTF-16', Buffer.from(BODY, 'utf16le')),
  withBody('either', 'a byte order mark', `\uFEFF${BODY}`),
  withBody(
    'either',
    'bytes that are no UTF-8',
    Buffer.from('{"model":"m","prompt":"marker\xff\xfe","stream":false}', 'latin1'),
  ),
  withBody('either', 'half a surrogate pair', '{"model":"m","prompt":"marker\\ud800","stream":false}'),
  withBody(
    'either',
    '__proto__',
    '{"model":"m","prompt":"marker","stream":false,"__proto__":{"model":"other"}}',
  ),
  withBody(
    'either',
    '100,000 levels',
    `{"model":"m","prompt":"marker","stream":false,"options":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  ),
  withBody(
    'either',
    '100,000 keys',
    `{"model":"m","prompt":"marker","stream":false,"options":{${Array.from({ length: 100_000 }, (_, at) => `"k${at}":1`).join(',')}}}`,
  ),
  withBody(
    'either',
    'a huge number',
    '{"model":"m","prompt":"marker","stream":false,"options":{"seed":1e400}}',
  ),
  row('refused', 'body: shorter than its length', request({ headers: ['Content-Length: 500'] }), {
    finish: true,
  }),
  row('either', 'body: bytes behind it that are no request', `${request({})}\x00\x01garbage\r\n\r\n`, {
    anyStatus: true,
  }),
  row(
    'answered',
    'body: too large by its length',
    request({ headers: ['Content-Length: 10000000000'], body: '{' }),
    { status: 413 },
  ),
];

const PIPELINE: readonly HttpCase[] = [
  row(
    'answered',
    'method: GET with a body that holds a request',
    request({
      line: 'GET /api/version HTTP/1.1',
      headers: [`Content-Length: ${SMUGGLED.length}`],
      body: SMUGGLED,
    }),
  ),
  row(
    'answered',
    'method: GET with a chunked body that holds a request',
    request({
      line: 'GET /api/version HTTP/1.1',
      headers: ['Transfer-Encoding: chunked'],
      body: `${chunk(SMUGGLED)}0\r\n\r\n`,
    }),
  ),
  row(
    'answered',
    'method: HEAD with a body that holds a request',
    request({
      line: 'HEAD /api/version HTTP/1.1',
      headers: [`Content-Length: ${SMUGGLED.length}`],
      body: SMUGGLED,
    }),
  ),
  row(
    'answered',
    'method: DELETE on a route that has none',
    request({ line: 'DELETE /api/generate HTTP/1.1' }),
    { status: 405 },
  ),
  row(
    'answered',
    'method: a request refused with its body unread, which holds a request',
    request({ line: 'POST /nope HTTP/1.1', headers: [`Content-Length: ${SMUGGLED.length}`], body: SMUGGLED }),
    { status: 404 },
  ),
  row(
    'answered',
    'method: POST without any length',
    'POST /api/generate HTTP/1.1\r\nHost: localhost\r\n\r\n',
  ),
  row('answered', 'method: PATCH', request({ line: 'PATCH /api/generate HTTP/1.1' }), { status: 405 }),
  row('refused', 'method: one that nobody knows', request({ line: 'BREW /api/generate HTTP/1.1' })),
  row('refused', 'bytes: TLS on the plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', {
    finish: true,
  }),
  row('refused', 'bytes: only NUL', '\0'.repeat(64), { finish: true }),
  row('refused', 'bytes: the handshake of SSH', 'SSH-2.0-x\r\n', { finish: true }),
];

export const HTTP_TABLE: readonly HttpCase[] = [
  ...FRAMING,
  ...CHUNKS,
  ...LINES,
  ...HEADERS,
  ...BODIES,
  ...PIPELINE,
];
