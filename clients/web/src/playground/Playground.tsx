/** The page: history at the left, what is said in the middle, settings at the right. On a narrow
 *  screen the outer two are drawers. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { HelpDialog } from "../shell/HelpDialog";
import { IconButton } from "../shell/IconButton";
import { Shell } from "../shell/Shell";
import { ChatView } from "./ChatView";
import { CodeDialog } from "./CodeDialog";
import { CompleteView } from "./CompleteView";
import { Composer } from "./Composer";
import { watchContext } from "./context";
import { rootId, type Mode } from "./conversation";
import { conversation, startNew } from "./history";
import { HistoryPanel } from "./HistoryPanel";
import { keyHelp, listenForKeys } from "./keys";
import { live } from "./live";
import { Notice, PrivacyLine } from "./Notice";
import { MoveNote, PolicyBadge } from "./PolicyBadge";
import { SettingsPanel } from "./SettingsPanel";
import { mustHideNames } from "./vote";
import { Welcome } from "./Welcome";

type Drawer = "history" | "settings" | null;
const drawer = signal<Drawer>(null); // open on a narrow screen

const toggleDrawer = (which: Drawer) => (drawer.value = drawer.value === which ? null : which);

function ModeTabs() {
  const mode = conversation.value.mode;
  const change = (to: Mode) => to !== mode && startNew(to);
  return (
    <div class="modes" role="group" aria-label={t("mode")}>
      {(["chat", "complete"] as const).map((to) => (
        <button type="button" key={to} aria-pressed={to === mode} disabled={live.value.size > 0}
                onClick={() => change(to)}>{t(to === "chat" ? "mode_chat" : "mode_complete")}</button>
      ))}
    </div>
  );
}

function Bar({ onCode }: { onCode: () => void }) {
  return (
    <div class="bar-row">
      <IconButton icon="clock" label={t("history")} class="narrow-only"
                  pressed={drawer.value === "history"} onClick={() => toggleDrawer("history")} />
      <ModeTabs />
      <span class="spring" />
      <IconButton icon="code" label={t("view_code")} disabled={mustHideNames(conversation.value)}
                  onClick={onCode}>
        <span class="wide-only">{t("view_code")}</span>
      </IconButton>
      <IconButton icon="sliders" label={t("settings")} class="narrow-only"
                  pressed={drawer.value === "settings"} onClick={() => toggleDrawer("settings")} />
    </div>
  );
}

function Middle() {
  const c = conversation.value;
  const empty = !c.turns[rootId]?.children.length;
  return (
    <div class={`middle mode-${c.mode} ${empty ? "empty" : ""}`}>
      {empty ? <Welcome /> : <h1 class="unseen">{t("page_playground")}</h1>}
      {c.mode === "chat" ? (
        <>
          {!empty && <ChatView />}
          <Composer />
        </>
      ) : (
        <>
          <Composer />
          <CompleteView />
        </>
      )}
      <PrivacyLine />
    </div>
  );
}

export function Playground() {
  const [help, setHelp] = useState(false);
  const [code, setCode] = useState(false);
  useEffect(() => {
    const stopKeys = listenForKeys(() => setHelp((on) => !on), () => (drawer.value = "settings"));
    const stopContext = watchContext();
    return () => {
      stopKeys();
      stopContext();
    };
  }, []);
  return (
    <Shell page="playground" badge={<PolicyBadge />} onHelp={() => setHelp(true)}>
      <aside class={drawer.value === "history" ? "open" : ""} aria-label={t("history")}>
        <HistoryPanel />
      </aside>
      <div class="centre">
        <Bar onCode={() => setCode(true)} />
        <MoveNote />
        <Notice />
        <Middle />
      </div>
      <aside class={`end ${drawer.value === "settings" ? "open" : ""}`} aria-label={t("settings")}>
        <SettingsPanel />
      </aside>
      <HelpDialog open={help} onClose={() => setHelp(false)} keys={keyHelp()} />
      <CodeDialog open={code} onClose={() => setCode(false)} />
    </Shell>
  );
}
