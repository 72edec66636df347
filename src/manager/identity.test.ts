// Who calls, over several fleets: the strictest answer counts, another gateway of the fleet stands in, the manager's own token.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../api/errors.ts';
import type { WhoAmI } from './core/wire.ts';
import type { GatewayLink } from './gateway-link.ts';
import { Identities, mayUse } from './identity.ts';

type Answer = WhoAmI | undefined | 'away';

function aLink(fleetName: string, answer: Answer, asked: string[] = []): GatewayLink {
  const whoAmI = async (): Promise<WhoAmI | undefined> => {
    asked.push(fleetName);
    if (answer === 'away') throw new BigoError('gateway_away', `${fleetName} is away`);
    return answer;
  };
  return { name: fleetName, fleetName, whoAmI } as unknown as GatewayLink;
}

const admin: WhoAmI = { tenant: 'a', role: 'admin', keys: true };
const user: WhoAmI = { tenant: 'u', role: 'user', keys: true };
const headers = { authorization: 'Bearer key' };

async function roleOf(...groups: Answer[][]): Promise<string> {
  const links = groups.map((answers, at) => answers.map(answer => aLink(`f${at}`, answer)));
  return (await new Identities(() => 0).callerOf(links, headers)).role;
}

test('who is admin of one fleet and not of another is no admin here', async () => {
  assert.equal(await roleOf([admin]), 'admin');
  assert.equal(await roleOf([admin], [admin]), 'admin');
  assert.equal(await roleOf([admin], [user]), 'user');
  assert.equal(await roleOf([admin], [undefined]), 'none');
});

test('another gateway of the fleet answers for one that is away; without any answer nobody is let in', async () => {
  assert.equal(await roleOf(['away', user], [admin]), 'user');
  assert.equal(await roleOf(['away'], [admin]), 'admin');
  await assert.rejects(roleOf(['away']), /f0 is away/);
  await assert.rejects(roleOf(), /No gateway is known yet/);
});

test('an answer is kept for three seconds, and never for another key', async () => {
  let nowMs = 0;
  const asked: string[] = [];
  const identities = new Identities(() => nowMs);
  const groups = [[aLink('f', admin, asked)]];
  for (const atMs of [0, 2_999, 3_000]) {
    nowMs = atMs;
    await identities.callerOf(groups, headers);
  }
  await identities.callerOf(groups, { 'x-api-key': 'other' });
  assert.equal(asked.length, 3);
});

test('the manager has a token of its own, which is an admin without any gateway; a near miss is not', async () => {
  const identities = new Identities(() => 0, 'secret');
  const caller = await identities.callerOf([], { authorization: 'Bearer secret' });
  assert.equal(mayUse(caller, 'admin'), undefined);
  for (const authorization of ['Bearer secre', 'Bearer secret ', 'secret', '']) {
    await assert.rejects(identities.callerOf([], { authorization }), /No gateway is known yet/);
  }
});

test('each role may do what it may, and is told what it lacks', () => {
  const caller = (role: 'none' | 'user' | 'admin') => ({ tenant: '', role, keys: true, credentials: {} });
  assert.equal(mayUse(caller('none'), 'open'), undefined);
  assert.equal(mayUse(caller('none'), 'user')?.code, 'unauthorized');
  assert.equal(mayUse(caller('user'), 'user'), undefined);
  assert.equal(mayUse(caller('user'), 'admin')?.code, 'forbidden_route');
});
