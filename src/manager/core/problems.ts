// What is wrong now, in words a person can act on. Never repairs anything, never guesses a cause that was not told.
import { missingModels } from './models.ts';
import type { Fleet, FleetBackend } from './wire.ts';

export interface Problem {
  readonly level: 'error' | 'warning';
  /** What it is about: a backend, a model, a gateway. */
  readonly subject: string;
  readonly message: string;
  readonly next: string;
}

export interface GatewaySight {
  readonly name: string;
  /** Absent = it does not answer. */
  readonly fleet: Fleet | undefined;
  readonly error: string;
  readonly desired: readonly string[];
}

const queueNearlyFull = 0.8;

export function problemsOf(gateways: readonly GatewaySight[]): Problem[] {
  return gateways.flatMap(gateway => {
    if (gateway.fleet === undefined) return [gatewayAway(gateway)];
    const { fleet, desired } = gateway;
    return [
      ...drainingGateway(gateway.name, fleet),
      ...fleet.backends.flatMap(backendProblems),
      ...noBackend(gateway.name, fleet),
      ...missing(fleet, desired),
      ...differing(fleet),
      ...fullQueue(gateway.name, fleet),
    ];
  });
}

/** `error` is empty while the API server answers. */
export function clusterProblems(error: string): Problem[] {
  if (error === '') return [];
  const message = `The API server of the cluster does not answer as it should: ${error}.`;
  const next = 'Requests are served all the same; what is shown of the cluster is old until it answers.';
  return [{ level: 'error', subject: 'Kubernetes', message, next }];
}

function gatewayAway({ name, error }: GatewaySight): Problem {
  return {
    level: 'error',
    subject: name,
    message: `The gateway ${name} does not answer${error === '' ? '' : `: ${error}`}.`,
    next: 'Start it again, or correct its address; requests through it fail until then.',
  };
}

function drainingGateway(name: string, fleet: Fleet): Problem[] {
  if (!fleet.draining) return [];
  const message = `The gateway ${name} is shutting down; ${fleet.inFlight} requests are still running.`;
  return [{ level: 'warning', subject: name, message, next: 'New requests need another gateway.' }];
}

function backendProblems(backend: FleetBackend): Problem[] {
  const { name, state, error = '', breaker } = backend;
  const problems: Problem[] = [];
  if (state === 'down') {
    const message = `Backend ${name} does not answer${error === '' ? '' : `: ${error}`}.`;
    problems.push({
      level: 'error',
      subject: name,
      message,
      next: `Look at the log of Ollama at ${backend.url}.`,
    });
  }
  if (state === 'loop') {
    const message = `Backend ${name} is this gateway itself.`;
    problems.push({ level: 'error', subject: name, message, next: 'Take it out of the list of backends.' });
  }
  if (breaker === 'open' || breaker === 'half_open') {
    const message = `Backend ${name} failed too often lately; requests go elsewhere and it is tried again by itself.`;
    problems.push({ level: 'warning', subject: name, message, next: 'Look at its log if this stays.' });
  }
  if (backend.draining) {
    const message =
      backend.inFlight === 0
        ? `Backend ${name} is drained: nothing runs there, and nothing is sent there.`
        : `Backend ${name} is being drained; ${backend.inFlight} requests are still running there.`;
    problems.push({
      level: 'warning',
      subject: name,
      message,
      next: 'End the drain in Settings to use it again.',
    });
  }
  return problems;
}

function noBackend(name: string, fleet: Fleet): Problem[] {
  if (fleet.backends.some(backend => backend.state === 'up' && !backend.draining)) return [];
  const message = `The gateway ${name} has no backend that it can use: requests wait and then fail.`;
  return [{ level: 'error', subject: name, message, next: 'Start an Ollama server, or end a drain.' }];
}

function missing(fleet: Fleet, desired: readonly string[]): Problem[] {
  const up = fleet.backends.filter(backend => backend.state === 'up').length;
  return missingModels([fleet], desired).map(({ model, backends }) => {
    const isNowhere = backends.length === up;
    const where = isNowhere ? 'on any backend' : `on ${backends.join(', ')}`;
    return {
      level: isNowhere ? 'error' : 'warning',
      subject: model,
      message: `The model ${model} should be there, and is not ${where}.`,
      next: 'Pull it on the Models page.',
    };
  });
}

function differing(fleet: Fleet): Problem[] {
  return fleet.differing.map(({ model, digests }) => ({
    level: 'warning',
    subject: model,
    message: `The model ${model} is not the same everywhere: ${digests
      .map(({ digest, backends }) => `${digest.slice(0, 12)} on ${backends.join(', ')}`)
      .join('; ')}.`,
    next: 'Pull it again, so that every backend has the newest.',
  }));
}

function fullQueue(name: string, { queue }: Fleet): Problem[] {
  if (queue.lengthMax === 0 || queue.length < queue.lengthMax * queueNearlyFull) return [];
  const message = `The queue of ${name} is nearly full: ${queue.length} of ${queue.lengthMax} requests wait.`;
  return [{ level: 'warning', subject: name, message, next: 'Add backends, or send less.' }];
}
