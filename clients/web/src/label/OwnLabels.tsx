/** What this labeler has handed in so far, newest first. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api/client";
import { moment, number, t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";
import { onServerEvent } from "../state/server";
import { ownLabels, skipReasons, type OwnLabel } from "./api";

const shown = signal<OwnLabel[] | null>(null);
const hasMore = signal(false);
const problem = signal<ApiError | null>(null);

/** The labels behind the last one shown, or the newest. */
async function load(after = ""): Promise<void> {
  try {
    const { data, has_more } = await ownLabels(after);
    if (after && shown.value?.at(-1)?.id !== after) return; // asked for twice, and there already
    shown.value = after ? [...(shown.value ?? []), ...data] : data;
    hasMore.value = has_more;
    problem.value = null;
  } catch (error) {
    if (error instanceof ApiError) problem.value = error;
  }
}

function said({ groups, completion, reason }: OwnLabel): string {
  if (groups) return t("own_ranking", { outputs: groups.flat().length, ranks: groups.length });
  const known = skipReasons.find((one) => one === reason);
  return completion ?? (known ? t(`skip_${known}`) : "");
}

export function OwnLabels() {
  useEffect(() => {
    void load();
    return onServerEvent((event) => {
      if (event === "up" && problem.value) void load();
    });
  }, []);
  const rows = shown.value;
  if (problem.value) return <ProblemNote problem={problem.value} scope="label:*" retry={load} />;
  if (!rows) return <p class="empty-note">{t("loading")}</p>;
  if (!rows.length) return <p class="card empty-note">{t("own_none")}</p>;
  return (
    <section class="card table-box" tabIndex={0} aria-label={t("part_mine")}>
      <table class="own">
        <thead>
          <tr>
            <th>{t("when")}</th><th>{t("task_kind")}</th><th>{t("prompt")}</th><th>{t("own_said")}</th>
            <th class="figure">{t("own_time")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>{moment(row.created_at)}</td>
              <td>{t(`kind_${row.kind}`)}</td>
              <td><p class="plain cut">{row.prompt || "–"}</p></td>
              <td><p class="plain cut">{said(row)}</p></td>
              <td class="figure">{row.elapsed_ms ? `${number(row.elapsed_ms / 1000)} s` : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {hasMore.value && (
        <button type="button" class="link" onClick={() => void load(rows.at(-1)!.id)}>{t("own_more")}</button>
      )}
    </section>
  );
}
