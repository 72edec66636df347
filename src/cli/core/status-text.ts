// The fleet as a page of text. Pure: colour comes in as a function.
import { humanDuration } from '../../api/quantities.ts';
import type { BackendRow, FleetView, RequestRow, TicketRow } from './fleet-view.ts';
import { type Cell, type CellStyle, type Row, tableLines } from './table.ts';
import { agoText } from './when.ts';

export interface PageOptions {
  readonly paint: (style: CellStyle, text: string) => string;
  readonly nowMs: number;
  /** Rows of the last two tables. */
  readonly rowsMax: number;
}

export interface Page {
  readonly fleet: FleetView;
  readonly requests: readonly RequestRow[];
}

export function statusLines({ fleet, requests }: Page, options: PageOptions): string[] {
  return [
    ...(fleet.isDraining
      ? [options.paint('yellow', 'The gateway is draining: it takes no new requests.'), '']
      : []),
    ...backendLines(fleet.backends, options),
    '',
    queueLine(fleet),
    ...ticketLines(fleet.tickets, options),
    ...requestLines(requests, options),
    ...differingLines(fleet, options),
  ];
}

function backendLines(backends: readonly BackendRow[], { paint }: PageOptions): string[] {
  if (backends.length === 0) return ['There are no backends.'];
  const rows: Row[] = backends.map(row => [
    row.name,
    stateCell(row),
    `${row.inFlight}/${row.slots.value}${row.slots.source === 'learned' ? ' learned' : ''}`,
    String(row.models.length),
    loadedText(row),
    row.url,
  ]);
  const table = tableLines(rows, {
    head: ['BACKEND', 'STATE', 'SLOTS', 'MODELS', 'LOADED', 'URL'],
    right: [3],
    paint,
  });
  const errors = backends.filter(row => row.error !== '').map(row => `${row.name}: ${row.error}`);
  return [...table, ...errors.map(error => paint('red', error))];
}

function loadedText(row: BackendRow): string {
  const names = row.loaded.map(runner => runner.name);
  if (row.loading !== '') names.push(`${row.loading} (loading)`);
  return names.join(', ') || '-';
}

const STATE_STYLES: Readonly<Record<string, CellStyle>> = {
  up: 'green',
  down: 'red',
  loop: 'red',
  unknown: 'yellow',
};

function stateCell(row: BackendRow): Cell {
  if (row.isDraining) return { text: 'draining', style: 'yellow' };
  if (row.state === 'up' && row.breaker === 'open') return { text: 'up, breaker open', style: 'yellow' };
  const style = STATE_STYLES[row.state];
  return { text: row.state, ...(style === undefined ? {} : { style }) };
}

function queueLine(fleet: FleetView): string {
  const running = fleet.tickets.filter(ticket => ticket.state === 'running').length;
  const most = fleet.queueMax > 0 ? ` of at most ${fleet.queueMax}` : '';
  return `${fleet.queueLength}${most} waiting, ${running} running`;
}

function ticketLines(tickets: readonly TicketRow[], { paint, rowsMax }: PageOptions): string[] {
  if (tickets.length === 0) return [];
  const rows = tickets
    .slice(0, rowsMax)
    .map(ticket => [
      ticket.id,
      ticket.model,
      ticket.state === 'queued' && ticket.position !== undefined
        ? `queued #${ticket.position}`
        : ticket.state,
      humanDuration(ticket.waitMs),
      ticket.backend || consideredText(ticket),
      ticket.reason,
    ]);
  const head = ['TICKET', 'MODEL', 'STATE', 'WAIT', 'BACKEND', 'REASON'];
  return ['', ...tableLines(rows, { head, right: [3], paint }), ...moreLine(tickets.length - rowsMax)];
}

/** What a waiting ticket may choose from. */
function consideredText(ticket: TicketRow): string {
  return ticket.considered
    .slice(0, 4)
    .map(({ backend, estimateMs, skipped }) => {
      const what = estimateMs === undefined ? skipped : `~${humanDuration(estimateMs)}`;
      return `${backend} ${what}`;
    })
    .join(', ');
}

function requestLines(requests: readonly RequestRow[], { paint, nowMs, rowsMax }: PageOptions): string[] {
  if (requests.length === 0) return [];
  const rows: Row[] = requests
    .slice(0, rowsMax)
    .map(request => [
      agoText(request.at, nowMs),
      request.model,
      { text: String(request.code), style: request.code < 400 ? 'green' : 'red' },
      request.backend || '-',
      request.reason || request.error,
      humanDuration(request.waitMs),
      humanDuration(request.durationMs),
    ]);
  const head = ['LAST REQUESTS', 'MODEL', 'CODE', 'BACKEND', 'REASON', 'WAIT', 'TIME'];
  return ['', ...tableLines(rows, { head, right: [5, 6], paint })];
}

function differingLines(fleet: FleetView, { paint }: PageOptions): string[] {
  if (fleet.differing.length === 0) return [];
  const text = `Not the same on every backend: ${fleet.differing.join(', ')}. The digest that most have is used; pull again to make them equal.`;
  return ['', paint('yellow', text)];
}

function moreLine(more: number): string[] {
  return more > 0 ? [`… and ${more} more; --json shows all`] : [];
}
