/** One output on the board: can be dragged, moved by keys, or sent to a row by its list. */
import { useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { lastRow, place, rowOf, unplace, type Board } from "./board";
import { changeBoard } from "./draft";

interface Props {
  board: Board;
  card: string;
  number: number; // as shown in step 1
  text: string;
  figures: string; // of step 1
  focused: boolean;
  onFocus: () => void;
}

export function RankCard({ board, card, number, text, figures, focused, onFocus }: Props) {
  const [whole, setWhole] = useState(false);
  const row = rowOf(board, card);
  const send = (to: string) =>
    changeBoard(to === "" ? unplace(board, card) : place(board, card, Number(to)));
  return (
    <div class="rank-card" tabIndex={focused ? 0 : -1} draggable data-card={card}
         role="group" aria-label={t("card_label", { n: number, row: row === null ? "–" : row + 1 })}
         onFocusIn={onFocus} onDragStart={(e) => e.dataTransfer?.setData("text/plain", card)}>
      <header>
        <strong>{number}</strong>
        <span class="muted small">{figures}</span>
        <span class="spring" />
        <select class="small" value={row ?? ""} aria-label={t("row_of_card", { n: number })}
                onChange={(e) => send(e.currentTarget.value)}>
          <option value="">–</option>
          {board.cards.map((_, i) => i <= lastRow(board) && <option key={i} value={i}>{i + 1}</option>)}
        </select>
      </header>
      <p class={`plain small ${whole ? "" : "cut"}`}>{text || "∅"}</p>
      {text.length > 160 && (
        <button type="button" class="link small" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {t(whole ? "show_less" : "show_all")}
        </button>
      )}
    </div>
  );
}
