// Numbers and times as people read them, short and with units. Never changes a value.

export function bytes(value: number): string {
  if (!(value > 0)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  let amount = value;
  while (amount >= 999.5 && at < units.length - 1) {
    amount /= 1000;
    at += 1;
  }
  return `${amount < 9.95 && at > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[at]}`;
}

export function ms(value: number | undefined): string {
  if (value === undefined) return '–';
  if (value < 999.5) return `${Math.round(value)} ms`;
  if (value < 99_950) return `${(value / 1000).toFixed(1)} s`;
  return `${Math.round(value / 60_000)} min`;
}

export function rate(value: number): string {
  return value === 0 ? '0' : value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function dollars(value: number): string {
  if (value === 0) return '$0';
  return value < 0.01 ? `$${value.toPrecision(1)}` : `$${value.toFixed(2)}`;
}

export function clock(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? '–' : time.toLocaleTimeString('en-GB');
}

export function day(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return '–';
  return `${time.toLocaleDateString('en-CA')} ${time.toLocaleTimeString('en-GB').slice(0, 5)}`;
}
