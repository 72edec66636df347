// What must hold before a gateway listens. Never changes a setting: it refuses with what to do.
import { BigoError } from '../api/errors.ts';
import type { GatewaySettings, HostPort } from '../api/settings.ts';

export function checkSettings(settings: GatewaySettings): void {
  const keyless = settings.keysFile === undefined && !settings.insecure;
  if (keyless && !isLoopback(settings.listen.host)) {
    throw new BigoError(
      'unsafe_listen',
      `Listening on ${shown(settings.listen)} without keys would let everybody who reaches it use and change the models.`,
    );
  }
  const adminOpen =
    settings.adminToken === undefined && settings.keysFile === undefined && !settings.insecure;
  if (adminOpen && !isLoopback(settings.admin.host)) {
    throw new BigoError(
      'unsafe_listen',
      `The admin address ${shown(settings.admin)} needs an admin key or token when it is not a loopback address.`,
    );
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function shown(at: HostPort): string {
  return `${at.host}:${at.port}`;
}
