// Choosing a token from probabilities, with a seed. Never asks a model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_OPTIONS } from './options.ts';
import { sampleToken, seededUniform } from './sampling.ts';

const candidates = [0.5, 0.3, 0.15, 0.05].map((probability, token) => ({
  token,
  logprob: Math.log(probability),
}));
const plain = { ...DEFAULT_OPTIONS, repeat_penalty: 1, top_k: 0, top_p: 1, min_p: 0, temperature: 1 };

function share(options: typeof plain, recent: readonly number[] = []): number[] {
  const uniform = seededUniform(7);
  const counts = [0, 0, 0, 0];
  for (let draw = 0; draw < 20_000; draw++) counts[sampleToken(candidates, options, recent, uniform())]!++;
  return counts.map(count => count / 20_000);
}

test('temperature 0 takes the most likely token', () => {
  assert.equal(sampleToken(candidates, { ...plain, temperature: 0 }, [], 0.99), 0);
});

test('temperature 1 draws by probability', () => {
  const shares = share(plain);
  candidates.forEach(({ logprob }, at) => assert.ok(Math.abs(shares[at]! - Math.exp(logprob)) < 0.02));
});

test('top_k, top_p and min_p leave out the unlikely', () => {
  assert.deepEqual(
    share({ ...plain, top_k: 2 }).map(part => part > 0),
    [true, true, false, false],
  );
  assert.deepEqual(
    share({ ...plain, top_p: 0.6 }).map(part => part > 0),
    [true, true, false, false],
  );
  assert.deepEqual(
    share({ ...plain, min_p: 0.5 }).map(part => part > 0),
    [true, true, false, false],
  );
});

test('a token that was used lately is less likely', () => {
  assert.ok(share({ ...plain, repeat_penalty: 2 }, [0])[0]! < share(plain)[0]!);
  assert.ok(share({ ...plain, presence_penalty: 1 }, [0])[0]! < share(plain)[0]!);
});

test('a seed gives the same numbers again', () => {
  const [one, two] = [seededUniform(3), seededUniform(3)];
  const numbers = Array.from({ length: 100 }, () => one());
  assert.deepEqual(
    numbers,
    Array.from({ length: 100 }, () => two()),
  );
  assert.ok(numbers.every(number => number >= 0 && number < 1));
});
