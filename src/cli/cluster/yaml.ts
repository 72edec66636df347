// Objects as YAML on stdout, one document each. Never adds a field.
import { stringify } from 'yaml';
import type { App } from '../app.ts';

export const yamlDocuments = (objects: readonly object[]): string =>
  objects.map(object => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');

export async function printYaml(app: App, objects: readonly object[]): Promise<void> {
  await app.terminal.write(yamlDocuments(objects));
}
