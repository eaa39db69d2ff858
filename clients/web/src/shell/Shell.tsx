/** What every page has: the head with the way to the others, the server's state, and messages. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Phrase } from "../i18n/catalogue";
import { language, languages, setLanguage, t, type Language } from "../i18n/i18n";
import { health } from "../state/server";
import { toggleTheme } from "../state/theme";
import { IconButton } from "./IconButton";
import { KeyDialog } from "./KeyDialog";
import { Messages } from "./messages";

export type Page = "playground" | "label" | "training" | "policies";

const pages: { page: Page; path: string; name: Phrase }[] = [
  { page: "playground", path: "/", name: "page_playground" },
  { page: "label", path: "/label", name: "page_label" },
  { page: "training", path: "/training", name: "page_training" },
  { page: "policies", path: "/policies", name: "page_policies" },
];

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <circle cx="12" cy="12" r="9.5" />
      <path d="M7.5 13.5l3 3 6-8" />
    </svg>
  );
}

function Nav({ current }: { current: Page }) {
  return (
    <nav aria-label={t("pages")}>
      {pages.map(({ page, path, name }) => (
        <a key={page} href={path} aria-current={page === current ? "page" : undefined}>{t(name)}</a>
      ))}
    </nav>
  );
}

function HealthNote() {
  const now = health.value;
  if (now === "ready" || now === "unknown") return null;
  const text = { loading: "health_loading", draining: "health_draining", offline: "health_offline" } as const;
  return <div class={`health ${now}`} role="status">{t(text[now])}</div>;
}

interface Props {
  page: Page;
  badge?: ComponentChildren;
  onHelp?: () => void;
  children: ComponentChildren;
}

export function Shell({ page, badge, onHelp, children }: Props) {
  const [keyOpen, setKeyOpen] = useState(false);
  return (
    <>
      <a class="skip" href="#main">{t("skip_to_content")}</a>
      <header class="top">
        <a class="brand" href="/" aria-label="instructd"><Mark /><span>instructd</span></a>
        <Nav current={page} />
        <div class="top-end">
          {badge}
          <select class="quiet" aria-label={t("language")} value={language.value}
                  onChange={(e) => setLanguage(e.currentTarget.value as Language)}>
            {languages.map((code) => <option key={code} value={code}>{code.toUpperCase()}</option>)}
          </select>
          <IconButton icon="key" label={t("key_title")} onClick={() => setKeyOpen(true)} />
          <IconButton icon="sun" label={t("theme")} onClick={toggleTheme} />
          {onHelp && <IconButton icon="help" label={t("help")} keys="Alt+H" onClick={onHelp} />}
        </div>
      </header>
      <HealthNote />
      <main id="main" class={page} tabIndex={-1}>{children}</main>
      <KeyDialog open={keyOpen} onClose={() => setKeyOpen(false)} />
      <Messages />
    </>
  );
}
