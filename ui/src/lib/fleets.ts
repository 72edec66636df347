// Backends of all fleets, each once: gateways of one fleet tell the same of them, and add up what each has running there.
// Never hides a backend because one of its gateways is away.
import type { GatewaySight } from './live.ts';
import type { Backend } from './types.ts';

export function backendsOf(sights: readonly GatewaySight[]): Backend[] {
  const groups = new Map<string, Backend[][]>();
  for (const { fleetName, fleet } of sights) {
    if (fleet !== undefined) groups.set(fleetName, [...(groups.get(fleetName) ?? []), fleet.backends]);
  }
  // Pods of two namespaces may have one name.
  const isMany = groups.size > 1;
  return [...groups].flatMap(([fleetName, [first = [], ...others]]) =>
    first.map(backend => {
      const twins = others.flatMap(list => list.filter(({ name }) => name === backend.name));
      const whole = twins.reduce(together, backend);
      return isMany ? { ...whole, name: `${fleetName}/${whole.name}` } : whole;
    }),
  );
}

function together(one: Backend, other: Backend): Backend {
  const places = one.places.map(place => {
    const same = other.places.find(({ model }) => model === place.model);
    return same === undefined ? place : { ...place, inFlight: place.inFlight + same.inFlight };
  });
  return {
    ...one,
    inFlight: one.inFlight + other.inFlight,
    queued: one.queued + other.queued,
    places: [...places, ...other.places.filter(({ model }) => !places.some(place => place.model === model))],
  };
}
