// Rules of reading the kernel's list of connections, on lines that a kernel wrote. Never reads this machine's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSelf, remotesOf, sameAddressText } from './proc-net.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const LISTENING =
  '   0: 00000000:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0';
const ESTABLISHED =
  '   1: 0100007F:2CAA 0900007F:D0F4 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0';
const CLOSING =
  '   2: 0100007F:2CAA 0A00007F:D0F5 06 00000000:00000000 03:000003E8 00000000     0        0 0 3 0';
const OUTGOING =
  '   3: 0900007F:D0F4 0100007F:2CAA 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0';
const MAPPED =
  '   4: 0000000000000000FFFF00000100000A:2CAA 0000000000000000FFFF00000500000A:8E7C 01 00000000:00000000 00:00000000 00000000 0 0 5 1 0';
const IPV6 =
  '   5: 000080FE00000000FF005450B6AD1DFE:2CAA B80D0120000000000000000001000000:8E7D 01 00000000:00000000 00:00000000 00000000 0 0 6 1 0';

test('only established connections to the port count, by their other end', () => {
  const text = [HEAD, LISTENING, ESTABLISHED, CLOSING, OUTGOING, MAPPED, IPV6, ''].join('\n');
  assert.deepEqual(remotesOf(text, 11_434), ['127.0.0.9', '10.0.0.5', '2001:db8:0:0:0:0:0:1']);
  assert.deepEqual(remotesOf(text, 11_435), []);
});

test('one address has one spelling, however it was written', () => {
  assert.equal(sameAddressText('2001:DB8::1'), '2001:db8:0:0:0:0:0:1');
  assert.equal(sameAddressText('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(sameAddressText('::1'), '0:0:0:0:0:0:0:1');
  assert.equal(isSelf(sameAddressText('::1')), true);
});

test('no text whatever breaks it', () => {
  fc.assert(fc.property(fc.string(), text => void remotesOf(`${HEAD}\n${text}`, 11_434)));
});
