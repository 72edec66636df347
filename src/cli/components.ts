// The parts of BigO that commands start, as far as commands know them. main.ts fills this; never imports a component.
import type { GatewaySettings } from '../api/settings.ts';
import type { Log } from '../platform/log.ts';

export interface RunningGateway {
  readonly url: string;
  readonly adminUrl: string;
  /** Readiness goes off, new requests are refused, streams finish; resolves when none is left or the limit passed. */
  drain(): Promise<void>;
  close(): Promise<void>;
  reload(settings: GatewaySettings): void | Promise<void>;
}

export interface KeyEntry {
  readonly id: string;
  readonly role: string;
  readonly priority: string;
  readonly models?: readonly string[] | undefined;
}

export interface KeyTools {
  readonly createKey: () => { key: string; hash: string };
  readonly readKeys: (file: string) => KeyEntry[];
}

export interface Components {
  loadKeys(): Promise<KeyTools>;
  startGateway(settings: GatewaySettings, log: Log): Promise<RunningGateway>;
}
