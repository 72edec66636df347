// The one error the engine answers with: a status and a sentence in Ollama's words. Never holds a dialect's shape.

export class EngineFailure extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'EngineFailure';
    this.status = status;
  }
}

export const badRequest = (message: string): EngineFailure => new EngineFailure(400, message);

export const modelNotFound = (name: string): EngineFailure =>
  new EngineFailure(404, `model '${name}' not found`);

/** Status 499 is what Ollama logs when the caller left; nobody reads it. */
export const requestCanceled = (): EngineFailure => new EngineFailure(499, 'request canceled');
