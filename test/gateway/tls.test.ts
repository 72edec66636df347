// TLS on the listen port and to a backend with a private CA. Never a committed key: a pair is made for each run.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { startRig, withRig } from './rig.ts';

interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
}

function makePair(dir: string): Pair | undefined {
  const certFile = path.join(dir, 'cert.pem');
  const keyFile = path.join(dir, 'key.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  try {
    execFileSync('openssl', [...request, '-keyout', keyFile, '-out', certFile, ...subject], {
      stdio: 'ignore',
    });
    return { certFile, keyFile };
  } catch {
    return undefined;
  }
}

test('the main port speaks TLS when a certificate is given', async context => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bigo-tls-'));
  context.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const tls = makePair(dir);
  if (tls === undefined) return context.skip('there is no openssl command to make a certificate with');
  await withRig({ settings: { tls } }, async rig => {
    assert.match(rig.gateway.url, /^https:/);
    const body = '{"model":"m","stream":false,"messages":[]}';
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = {
        method: 'POST',
        agent: false,
        ca: fs.readFileSync(tls.certFile),
        servername: 'localhost',
      };
      const req = https.request(`${rig.gateway.url}/api/chat`, options, res => {
        let text = '';
        res.setEncoding('utf8').on('data', (part: string) => (text += part));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, text }));
      });
      req.on('error', reject);
      req.end(body);
    });
    assert.equal(answer.status, 200);
    assert.equal(rig.backend.seen[0]?.headers.get('x-forwarded-proto'), 'https');
  });
});

test('a certificate that cannot be read is said in one sentence', () =>
  assert.rejects(
    startRig({ settings: { tls: { certFile: '/nowhere/cert.pem', keyFile: '/nowhere/key.pem' } } }),
    /Cannot read the TLS certificate \/nowhere\/cert\.pem: ENOENT/,
  ));
