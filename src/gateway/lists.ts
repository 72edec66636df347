// Lists from the snapshot: /api/tags, /api/ps, /v1/models. Never asks a backend.
import { BigoError } from '../api/errors.ts';
import type { GatewayContext } from './context.ts';
import { mergeOpenAiModels, mergePs, mergeTags, openAiModelOf } from './core/stream/lists.ts';
import type { HttpExchange } from './http-exchange.ts';
import { refuse } from './refusal.ts';

export function handleList(context: GatewayContext, exchange: HttpExchange): void {
  const value = listValue(context, exchange);
  if (value instanceof BigoError)
    refuse(context, exchange, { dialect: exchange.route.dialect, error: value });
  else exchange.send(200, { 'content-type': 'application/json; charset=utf-8' }, JSON.stringify(value));
}

function listValue(context: GatewayContext, exchange: HttpExchange): object | BigoError {
  const snapshot = context.fleet.snapshot();
  const { aliases } = context.settings;
  switch (exchange.route.id) {
    case 'tags':
      return mergeTags(snapshot, aliases);
    case 'ps':
      return mergePs(snapshot);
    case 'v1_models':
      return mergeOpenAiModels(snapshot, aliases);
    default:
      return openAiModelOf(snapshot, aliases, exchange.params['model'] ?? '');
  }
}
