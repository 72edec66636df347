// Objects as YAML on stdout, one document each. Never adds a field.
import { stringify } from 'yaml';
import type { App } from '../app.ts';

/** Kubernetes reads YAML 1.1, in which a bare `off` is no text. */
const options = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;

export const yamlDocuments = (objects: readonly object[]): string =>
  objects.map(object => stringify(object, options)).join('---\n');

export async function printYaml(app: App, objects: readonly object[]): Promise<void> {
  await app.terminal.write(yamlDocuments(objects));
}
