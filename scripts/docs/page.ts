// How a generated page is put together: notice, title, tables. Never knows what a page is about.

const notice = '<!-- Written by `npm run docs` from the code. Change the code, not this file. -->';

export function page(title: string, ...lines: readonly string[]): string {
  return [notice, '', `# ${title}`, '', ...lines, ''].join('\n');
}

export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---|').join('')}`, ...rows.map(line)];
}

export const code = (text: string): string => `\`${text}\``;
