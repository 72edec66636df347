// The ConfigMap for shared GPUs, letter by letter, and the commands beside it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import {
  resourceProblem,
  sharedResource,
  type TimeSlicing,
  timeSlicingConfig,
  timeSlicingSteps,
} from './time-slicing.ts';

const wish: TimeSlicing = {
  replicas: 3,
  resource: 'nvidia.com/gpu',
  name: 'time-slicing-config',
  namespace: 'gpu-operator',
  key: 'any',
  isRenamed: false,
  isByLabel: false,
  plugin: 'gpu-operator',
};
const yaml = (value: object) => stringify(value, { lineWidth: 0 });

const golden = `apiVersion: v1
kind: ConfigMap
metadata:
  name: time-slicing-config
  namespace: gpu-operator
data:
  any: |
    version: v1
    flags:
      migStrategy: none
    sharing:
      timeSlicing:
        renameByDefault: false
        failRequestsGreaterThanOne: true
        resources:
          - name: nvidia.com/gpu
            replicas: 3
`;

test('the ConfigMap is the one that the device plugin reads', () => {
  assert.equal(yaml(timeSlicingConfig(wish, yaml)), golden);
});

test('a renamed resource is asked for by its new name', () => {
  const renamed = { ...wish, isRenamed: true };
  assert.equal(sharedResource(renamed), 'nvidia.com/gpu.shared');
  const { data } = timeSlicingConfig(renamed, yaml) as { data: { any: string } };
  assert.equal(parse(data.any).sharing.timeSlicing.renameByDefault, true);
  assert.match(timeSlicingSteps(renamed).at(-1) ?? '', /allocatable\.nvidia\\\.com\/gpu\\\.shared/);
});

test('slices of a partitioned GPU need the mixed strategy', () => {
  const { data } = timeSlicingConfig({ ...wish, resource: 'nvidia.com/mig-1g.10gb' }, yaml) as {
    data: { any: string };
  };
  assert.equal(parse(data.any).flags.migStrategy, 'mixed');
});

test('the patch of the GPU operator is JSON that names the ConfigMap; without a default the nodes choose by label', () => {
  const patchOf = (change: Partial<TimeSlicing>) => {
    const line = timeSlicingSteps({ ...wish, ...change }).find(step => step.startsWith('2. kubectl patch'));
    return JSON.parse(/-p '(.*)'$/.exec(line ?? '')?.[1] ?? '') as unknown;
  };
  const config = { name: 'time-slicing-config', default: 'any' };
  assert.deepEqual(patchOf({}), { spec: { devicePlugin: { config } } });
  assert.deepEqual(patchOf({ isByLabel: true }), {
    spec: { devicePlugin: { config: { name: 'time-slicing-config' } } },
  });
  const steps = timeSlicingSteps({ ...wish, isByLabel: true }).join('\n');
  assert.match(steps, /label node NODE nvidia\.com\/device-plugin\.config=any/);
});

test('the plugin by itself is told through its chart', () => {
  const steps = timeSlicingSteps({ ...wish, plugin: 'device-plugin', namespace: 'nvidia-device-plugin' });
  assert.match(
    steps.join('\n'),
    /helm upgrade nvdp .* -n nvidia-device-plugin .*config\.name=time-slicing-config --set config\.default=any/,
  );
});

test('only what NVIDIA’s plugin can share is taken', () => {
  assert.equal(resourceProblem('nvidia.com/gpu'), undefined);
  assert.equal(resourceProblem('nvidia.com/mig-3g.40gb'), undefined);
  assert.match(resourceProblem('amd.com/gpu') ?? '', /no time-slicing/);
  assert.match(resourceProblem('nvidia.com/gpu.shared') ?? '', /before it is shared/);
  assert.match(resourceProblem('gpu') ?? '', /only nvidia/);
});
