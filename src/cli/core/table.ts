// Text in aligned columns. Never knows a terminal: colour comes in as a function.

export type CellStyle = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

export interface Cell {
  readonly text: string;
  readonly style?: CellStyle;
}
export type Row = readonly (string | Cell)[];

export interface TableOptions {
  readonly head: readonly string[];
  /** Columns of numbers, from 0. */
  readonly right?: readonly number[];
  readonly paint?: (style: CellStyle, text: string) => string;
}

const gap = '  ';
const cellCharsMax = 120;

export function tableLines(rows: readonly Row[], options: TableOptions): string[] {
  const paint = options.paint ?? ((_style: CellStyle, text: string) => text);
  const head = options.head.map(text => ({ text, style: 'bold' as const }));
  const all = [head, ...rows.map(row => row.map(toCell))];
  const widths = options.head.map((_, column) =>
    Math.max(...all.map(row => (row[column]?.text ?? '').length)),
  );
  return all.map(row =>
    options.head
      .map((_, column) => {
        const cell = row[column] ?? { text: '' };
        const padded = pad(cell.text, widths[column] ?? 0, {
          right: options.right?.includes(column) === true,
        });
        return cell.style === undefined ? padded : paint(cell.style, padded);
      })
      .join(gap)
      .trimEnd(),
  );
}

function toCell(cell: string | Cell): Cell {
  const { text, ...rest } = typeof cell === 'string' ? { text: cell } : cell;
  const oneLine = text.replaceAll(/[\u0000-\u001f\u007f]/g, ' ');
  return {
    ...rest,
    text: oneLine.length > cellCharsMax ? `${oneLine.slice(0, cellCharsMax - 1)}…` : oneLine,
  };
}

function pad(text: string, width: number, side: { right: boolean }): string {
  return side.right ? text.padStart(width) : text.padEnd(width);
}
