/** The one place where text from a model becomes markup.
 *
 *  marked → DOMPurify → its Trusted Types policy ("dompurify", the only one these pages make; the
 *  server's headers forbid any other way to markup). Raw HTML in the text is shown as text, images
 *  become links' plain words, links lead to http(s) and mailto alone. When either library throws, the
 *  text is shown as text. */
import DOMPurify from "dompurify";
import { Marked } from "marked";

const escapes: Record<string, string> = {
  "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;",
};
const escape = (text: string) => text.replace(/[&<>"']/g, (c) => escapes[c] ?? c);

const markdown = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text }) => escape(text),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const rules = {
  RETURN_TRUSTED_TYPE: true as const,
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("rel", "noopener noreferrer");
    node.setAttribute("target", "_blank");
  } else if (node.tagName === "PRE" || node.tagName === "TABLE") {
    node.setAttribute("tabindex", "0"); // they scroll sideways: the arrow keys must get there
  }
});

/** Puts the text into el, as Markdown or, if that fails in any way, as it is. */
export function render_safe(el: Element, text: string): void {
  try {
    const clean = DOMPurify.sanitize(markdown.parse(text, { async: false }), rules);
    el.innerHTML = clean as unknown as string;
  } catch {
    el.textContent = text;
  }
}

/** The text's blocks (paragraphs, lists, code, …): each can be rendered alone. Blank lines belong to the
 *  block before them: what follows may still go on with it, as the next item of a list does. */
export function blocksOf(text: string): string[] {
  try {
    const blocks: string[] = [];
    for (const { raw } of markdown.lexer(text))
      if (raw.trim() || !blocks.length) blocks.push(raw);
      else blocks.push(blocks.pop() + raw);
    return blocks.join("") === text ? blocks : [text]; // no character may get lost
  } catch {
    return [text];
  }
}
