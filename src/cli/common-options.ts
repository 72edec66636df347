// Options that mean the same in every command that has them. Never those of one command alone.
import { Option } from 'commander';

export function logLevelOption(): Option {
  const levels = ['debug', 'info', 'warn', 'error', 'silent'];
  return new Option('--log-level <level>', 'what is logged to stderr').choices(levels);
}

/** For an option that may be repeated. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}
