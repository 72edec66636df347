// Objects of the program -> Helm templates: a value may be an expression of Helm, a block, or a line of its own.
// Never knows an object or a value of the chart.
import { stringify } from 'yaml';

/** Stands for the release in names; valid wherever a name is. */
export const RELEASE = 'xreleasex';
export const NAMESPACE = 'xnamespacex';

type Slot =
  /** Within a line. */
  | { readonly kind: 'inline'; readonly text: string }
  /** A map or a list under a key; no key where it is empty. */
  | { readonly kind: 'block'; readonly text: string }
  /** A line by itself. */
  | { readonly kind: 'line'; readonly text: string };

const slots: Slot[] = [];

function slot(kind: Slot['kind'], text: string): string {
  slots.push({ kind, text });
  return `xslot${slots.length - 1}x`;
}

/** A text of Helm where a scalar stands: `expr('$.Values.replicas')`. */
export const expr = (text: string): string => slot('inline', `{{ ${text} }}`);
/** A map or list out of an expression. */
export const block = (text: string): string => slot('block', text);
/** As an item of a list, or as a key: the line alone, such as `{{- if … }}`. */
export const line = (text: string): string => slot('line', text);

/** Items that are there only where the condition holds. */
export function itemsIf(condition: string, ...items: readonly unknown[]): unknown[] {
  return [line(`{{- if ${condition} }}`), ...items, line('{{- end }}')];
}

/** Keys that are there only where the condition holds. */
export function keysIf(condition: string, keys: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { [line(`{{- if ${condition} }}`)]: null, ...keys, [line('{{- end }}')]: null };
}

const slotAt = (index: string): Slot => slots[Number(index)] ?? { kind: 'inline', text: '' };

function expanded(text: string): string {
  const only = /^( *)(?:- )?xslot(\d+)x(?:: null)?$/.exec(text);
  if (only?.[2] !== undefined && slotAt(only[2]).kind === 'line') return slotAt(only[2]).text;
  const keyed = /^( *)(?:- )?([\w./-]+): xslot(\d+)x$/.exec(text);
  if (keyed?.[3] !== undefined && slotAt(keyed[3]).kind === 'block') {
    const [, indent = '', key = '', index] = keyed;
    const lines = [
      `{{- with ${slotAt(index).text} }}`,
      `${indent}${key}:`,
      `{{- toYaml . | nindent ${indent.length + 2} }}`,
    ];
    return [...lines, '{{- end }}'].join('\n');
  }
  return text.replaceAll(/xslot(\d+)x/g, (_, index: string) => slotAt(index).text);
}

/** One object as the text of a template. Two braces that are the object's own are told from Helm's. */
export function templateText(object: unknown): string {
  const yaml = stringify(object, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
  return yaml
    .replaceAll('{{', '{{ "{{" }}')
    .split('\n')
    .map(expanded)
    .join('\n')
    .replaceAll(RELEASE, '{{ $.Release.Name }}')
    .replaceAll(NAMESPACE, '{{ $.Release.Namespace }}');
}

export interface Part {
  /** Condition of Helm; absent = always. */
  readonly when?: string;
  /** A list of Helm: the object once for each, which is `$item`. */
  readonly each?: string;
  readonly object: unknown;
}

const notice = '{{- /* Written by `npm run docs` from scripts/chart/. Change that, not this file. */ -}}\n';

export function templateFile(parts: readonly Part[]): string {
  const texts = parts.map(({ when, each, object }) => {
    const one = `---\n${templateText(object)}`;
    const all = each === undefined ? one : `{{- range $item := ${each} }}\n${one}{{- end }}\n`;
    return when === undefined ? all : `{{- if ${when} }}\n${all}{{- end }}\n`;
  });
  return notice + texts.join('');
}
