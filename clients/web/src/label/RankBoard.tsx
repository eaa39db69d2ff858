/** Step 2: rows are ranks, the best on top; cards in one row tie. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n/i18n";
import type { Task } from "./api";
import { cardsIn, contradictions, place, unplace, type Board } from "./board";
import { changeBoard, type Draft } from "./draft";
import { RankCard } from "./RankCard";
import { figuresText, isWorse, scalesOf } from "./scales";

interface Props {
  task: Task;
  draft: Draft;
  focus: string | null;
  onFocus: (card: string) => void;
}

function Row({ board, row, label, children }: {
  board: Board; row: number | null; label: string; children: ComponentChildren;
}) {
  const drop = (event: DragEvent) => {
    event.preventDefault();
    const card = event.dataTransfer?.getData("text/plain") ?? "";
    if (board.cards.includes(card))
      changeBoard(row === null ? unplace(board, card) : place(board, card, row));
  };
  return (
    <div class={row === null ? "rank-row tray" : "rank-row"} role="group" aria-label={label}
         onDragOver={(e) => e.preventDefault()} onDrop={drop}>
      <span class="rank-number" aria-hidden="true">{row === null ? "?" : row + 1}</span>
      <div class="rank-cards">{children}</div>
    </div>
  );
}

export function RankBoard({ task, draft, focus, onFocus }: Props) {
  const { board, ratings } = draft;
  const box = useRef<HTMLElement>(null);
  // A card that changes its row is a new element: the focus goes along here, and nowhere else.
  useLayoutEffect(() => {
    const card = focus && box.current?.querySelector<HTMLElement>(`[data-card="${CSS.escape(focus)}"]`);
    if (card && !card.contains(document.activeElement)) card.focus();
  }, [focus, board]);
  const numberOf = new Map(task.outputs.map(({ id }, i) => [id, i + 1]));
  const textOf = new Map(task.outputs.map(({ id, text }) => [id, text]));
  const mode = task.criterion_mode;
  const figuresOf = (card: string) => ratings[card]?.figures ?? {};
  const against = contradictions(board, (a, b) => isWorse(figuresOf(a), figuresOf(b), scalesOf(mode)));
  const cards = (row: number | null) => cardsIn(board, row).map((card) => (
    <RankCard key={card} board={board} card={card} number={numberOf.get(card) ?? 0}
              text={textOf.get(card) ?? ""} figures={figuresText(figuresOf(card), mode)}
              focused={card === focus} onFocus={() => onFocus(card)} />
  ));
  const unplaced = cards(null);
  return (
    <section ref={box} class="board" aria-label={t("step_rank")}>
      <p class="muted small">{t("ties_encouraged")}</p>
      {unplaced.length > 0 && <Row board={board} row={null} label={t("not_ranked_yet")}>{unplaced}</Row>}
      {board.cards.map((_, row) => (
        <Row key={row} board={board} row={row} label={t("rank_n", { n: row + 1 })}>{cards(row)}</Row>
      ))}
      {against.length > 0 && (
        <p class="warning" role="status">
          {t("against_ratings", {
            pairs: against.slice(0, 3).map(([a, b]) => `${numberOf.get(a)} > ${numberOf.get(b)}`).join(", "),
          })}
        </p>
      )}
    </section>
  );
}
