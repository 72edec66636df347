// Every manifest that BigO hands out, before three judges: no finding, but those whose reason stands in exceptions.ts.
// Never asks a cluster: what a real API server says of the same manifests is in test/cluster.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { skipUnless } from '../tools/parts.ts';
import { type Exception, exceptions } from './exceptions.ts';
import { checkov, type Finding, kubeconform, kubeScore } from './judges.ts';
import { type ManifestSet, manifestSets } from './sets.ts';

const shownMax = 20;
const covers = ({ tool, check, where, says = '' }: Exception, finding: Finding): boolean =>
  tool === finding.tool &&
  check === finding.check &&
  where.test(finding.where) &&
  finding.text.includes(says);

function assertCovered(tool: Finding['tool'], findings: readonly Finding[]): void {
  const rows = exceptions.filter(exception => exception.tool === tool);
  const open = findings.filter(finding => !rows.some(row => covers(row, finding)));
  const lines = open.slice(0, shownMax).map(({ check, where, text }) => `${check} ${where}: ${text}`);
  assert.equal(open.length, 0, `mend these, or give a reason in exceptions.ts:\n${lines.join('\n')}`);
  const idle = rows.filter(row => !findings.some(finding => covers(row, finding)));
  const names = idle.map(({ check, where }) => `${check} ${where.source}`);
  assert.deepEqual(names, [], 'nobody needs these exceptions any more');
}

const needs = await skipUnless('helm', 'kube-score', 'kubeconform', 'checkov');
describe('the manifests that BigO hands out', { skip: needs }, () => {
  let work = '';
  let sets: readonly ManifestSet[] = [];
  before(async () => {
    work = await mkdtemp(path.join(tmpdir(), 'bigo-manifests-'));
    sets = await manifestSets(work);
  });
  after(() => rm(work, { recursive: true, force: true }));

  it('are those of four profiles, the installation, the chart and every sample resource', () => {
    const names = sets.map(set => set.name);
    assert.equal(names.filter(name => name.startsWith('profile-')).length, 4);
    assert.ok(names.filter(name => name.startsWith('resource-')).length > 20);
    assert.ok(names.includes('install') && names.includes('chart'));
    assert.ok(sets.every(set => set.objects.length > 5));
  });

  it('pass kube-score but for what has a reason', async () => {
    const findings: Finding[] = [];
    for (const set of sets) findings.push(...(await kubeScore(set)));
    assertCovered('kube-score', findings);
  });

  it('have no field that the API of Kubernetes does not know', async () => {
    const { validCount, findings } = await kubeconform(sets);
    assertCovered('kubeconform', findings);
    const count = sets.reduce((sum, set) => sum + set.objects.length, 0);
    assert.equal(validCount + findings.length, count, 'every object was judged');
  });

  it('pass checkov but for what has a reason', async () => {
    assertCovered('checkov', await checkov(path.join(work, 'sets')));
  });
});
