// What the manager's API sends, as far as the page shows it. Never a rule.

export interface Slots {
  value: number;
  source: string;
}
export interface Place {
  model: string;
  state: string;
  inFlight: number;
  slots: Slots;
}
export interface Backend {
  name: string;
  url: string;
  state: string;
  error?: string;
  store: string;
  version?: string;
  draining: boolean;
  models: { name: string; digest: string; sizeBytes: number }[];
  loaded: { name: string; sizeVramBytes: number; sizeBytes: number; contextLength?: number }[];
  slots: Slots;
  inFlight: number;
  queued: number;
  breaker: string;
  places: Place[];
  load?: { model: string; phase: string; remainingMs: number; reason: string };
}
export interface Considered {
  backend: string;
  estimateMs?: number;
  loaded: boolean;
  skipped?: string;
}
export interface Ticket {
  id: string;
  model: string;
  state: string;
  priority: string;
  tenant: string;
  waitMs: number;
  position?: number;
  backend?: string;
  estimateMs?: number;
  reason?: string;
  considered: Considered[];
}
export interface Fleet {
  at: string;
  version: string;
  draining: boolean;
  inFlight: number;
  backends: Backend[];
  queue: { length: number; lengthMax: number };
  tickets: Ticket[];
}
export interface Stats {
  requestsPerSecond: number;
  errorsPerSecond: number;
  tokensPerSecond: number;
  firstTokenMsMedian?: number;
  firstTokenMsP95?: number;
}
export interface RequestRow {
  at: string;
  id: string;
  gateway: string;
  tenant: string;
  route: string;
  model: string;
  backend?: string;
  reason?: string;
  priority: string;
  code: number;
  error?: string;
  attempts: number;
  waitMs: number;
  firstByteMs?: number;
  durationMs: number;
  promptTokens?: number;
  tokens?: number;
  costDollars?: number;
}
export interface Pull {
  id: string;
  model: string;
  status: string;
  progress: number;
  total: number;
  completed: number;
  message: string;
  error: string;
  startedAt: string;
}
export interface ModelPlace {
  backend: string;
  state: string;
  digest: string;
  inFlight: number;
  slots: number;
  sizeVramBytes: number;
  percent?: number;
  message?: string;
}
export interface ModelRow {
  name: string;
  digest: string;
  sizeBytes: number;
  sizeVramBytes: number;
  desired: boolean;
  where: ModelPlace[];
}
export interface Counters {
  pulls: number;
  requests: number;
  errors: number;
  cancelled: number;
  lastUsed: string;
  promptTokens: number;
  completionTokens: number;
  costUsd: number;
}
export interface Problem {
  level: 'error' | 'warning';
  subject: string;
  message: string;
  next: string;
}
