/** The rank board: which row each output lies in. Row 0 is the best; outputs of one row tie. Pure: each
 *  function gives the new board. */
export interface Board {
  cards: readonly string[]; // output ids in the order shown
  rows: Readonly<Record<string, number>>; // of those that are placed
}

export const newBoard = (cards: readonly string[]): Board => ({ cards, rows: {} });

export const rowOf = (board: Board, card: string): number | null => board.rows[card] ?? null;

export const lastRow = (board: Board) => board.cards.length - 1;

/** Outputs of a row, in the order shown; null: those that are not placed yet. */
export function cardsIn(board: Board, row: number | null): string[] {
  return board.cards.filter((card) => rowOf(board, card) === row);
}

/** The order in which the keys walk: by row, those without a place last. */
export function walk(board: Board): string[] {
  const rows = board.cards.map((_, row) => cardsIn(board, row));
  return [...rows.flat(), ...cardsIn(board, null)];
}

export function place(board: Board, card: string, row: number): Board {
  const within = Math.max(0, Math.min(lastRow(board), row));
  return { ...board, rows: { ...board.rows, [card]: within } };
}

export function unplace(board: Board, card: string): Board {
  const { [card]: _, ...rows } = board.rows;
  return { ...board, rows };
}

/** One row up or down; a card without a place goes behind the lowest that has one. */
export function move(board: Board, card: string, by: number): Board {
  const row = rowOf(board, card);
  const used = Object.values(board.rows);
  return place(board, card, row === null ? Math.max(-1, ...used) + 1 : row + by);
}

/** Into the row of the card above it, in the order of the keys. */
export function tieWithAbove(board: Board, card: string): Board {
  const order = walk(board);
  const above = order[order.indexOf(card) - 1];
  const row = above === undefined ? null : rowOf(board, above);
  return row === null ? board : place(board, card, row);
}

export const isComplete = (board: Board) => cardsIn(board, null).length === 0;

/** Best first; a group is a tie. Empty rows say nothing. */
export function groupsOf(board: Board): string[][] {
  return board.cards.map((_, row) => cardsIn(board, row)).filter((group) => group.length > 0);
}

/** Pairs that are ranked against their figures in step 1: the worse one in the better row. */
export function contradictions(board: Board, isWorse: (a: string, b: string) => boolean): [string, string][] {
  const found: [string, string][] = [];
  for (const better of board.cards)
    for (const worse of board.cards) {
      const a = rowOf(board, better);
      const b = rowOf(board, worse);
      if (a !== null && b !== null && a < b && isWorse(better, worse)) found.push([better, worse]);
    }
  return found;
}
