/** Rows of metrics as columns that grow. */

/** A column per metric, all as long as `step`; null where a step has no figure. */
export interface Columns {
  step: number[];
  [metric: string]: (number | null)[];
}

export class Table {
  private readonly columns: Columns = { step: [] };
  private readonly rowOf = new Map<number, number>();

  /** Adds a row, or replaces the row of its step. Rows without a step are none. */
  add(row: Record<string, unknown>): void {
    const step = Number(row["step"]);
    if (!Number.isFinite(step)) return;
    const at = this.rowOf.get(step) ?? this.columns.step.length;
    this.rowOf.set(step, at);
    for (const [name, value] of Object.entries(row)) {
      const column = (this.columns[name] ??= []);
      while (column.length < at) column.push(null);
      column[at] = typeof value === "number" ? value : null;
    }
  }

  /** A copy as it now is. */
  snapshot(): Columns {
    const length = this.columns.step.length;
    const copy: Columns = { step: [...this.columns.step] };
    for (const [name, column] of Object.entries(this.columns))
      copy[name] = [...column, ...Array<null>(length - column.length).fill(null)];
    return copy;
  }
}
