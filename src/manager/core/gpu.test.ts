// GPU memory: from nodes, from DCGM, from what is loaded; what is not known is said to be unknown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dcgmTotal } from './dcgm.ts';
import { gpuTotal } from './cluster-view.ts';
import { gpuStatus, recommendations } from './gpu.ts';
import { Fleet } from './wire.ts';

const loaded = (sizeVramBytes: number) =>
  Fleet.parse({ backends: [{ name: 'b', loaded: [{ name: 'm', sizeVramBytes }] }] });

const node = (labels: Record<string, string>, gpus: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n', labels },
  status: { capacity: { 'nvidia.com/gpu': gpus } },
});

test('without nodes only what the loaded models take is known', () => {
  const status = gpuStatus([loaded(5e9)]);
  assert.deepEqual([status.allocated_vram_gb, status.total_vram_gb, status.gpu_count], [5, null, null]);
  assert.match(recommendations(status)[0] ?? '', /not known/);
});

test('memory is summed over nodes; a GPU that is shared in time is one GPU', () => {
  const labels = { 'nvidia.com/gpu.memory': '1000', 'nvidia.com/gpu.count': '2' };
  const shared = { 'nvidia.com/gpu.memory': '1000', 'nvidia.com/gpu.replicas': '4' };
  const total = gpuTotal([node(labels, '2'), node(shared, '4'), node({}, '0')]);
  assert.deepEqual(total, { count: 3, totalBytes: 3_000 * 2 ** 20 });
  assert.deepEqual(gpuTotal([node({}, '2')]), { count: 2 });
});

test('what DCGM tells is of every program, and each GPU counts once', () => {
  const line = (name: string, uuid: string, pod: string, value: number) =>
    `DCGM_FI_DEV_FB_${name}{gpu="0",UUID="${uuid}",pod="${pod}"} ${value}`;
  const text = [
    '# HELP DCGM_FI_DEV_FB_USED Framebuffer memory used (in MiB).',
    line('USED', 'GPU-1', 'a', 300),
    line('USED', 'GPU-1', 'b', 300),
    line('FREE', 'GPU-1', 'a', 700),
  ].join('\n');
  const other = [line('USED', 'GPU-2', 'c', 0), line('FREE', 'GPU-2', 'c', 1_000)].join('\n');
  const mib = 2 ** 20;
  assert.deepEqual(dcgmTotal([text, other]), { count: 2, totalBytes: 2_000 * mib, usedBytes: 300 * mib });
  assert.equal(dcgmTotal(['nothing of it', '']), undefined);
  const status = gpuStatus([loaded(1e6)], dcgmTotal([text]));
  assert.deepEqual([status.total_vram_gb, status.allocated_vram_gb, status.available_vram_gb], [1, 0.3, 0.7]);
});

test('advice follows the free memory, and says when little is left', () => {
  const advice = (freeGb: number) =>
    recommendations(gpuStatus([loaded((24 - freeGb) * 1e9)], { totalBytes: 24e9, count: 1 }));
  assert.match(advice(20)[0] ?? '', /large models/);
  assert.match(advice(9)[0] ?? '', /medium models/);
  assert.match(advice(5)[0] ?? '', /small models/);
  assert.equal(advice(5)[1], undefined);
  assert.match(advice(4.7)[1] ?? '', /stopping unused models/);
  assert.match(advice(2.5)[0] ?? '', /quantised/);
  assert.match(advice(1)[0] ?? '', /no room/);
});
