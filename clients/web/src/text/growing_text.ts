/** A text that grows while it is read. Blocks that are complete stay as they are; of the last two those
 *  that have changed are rendered again, at most every 50 ms. Two, since the first signs of a block can
 *  read otherwise than the whole: "2" behind a list is a paragraph until it is "2. " and its next item. */
import { blocksOf, render_safe } from "./render_safe";

const pauseMs = 50;
const open = 2; // blocks at the end that may still change

interface Shown {
  raw: string;
  box: Element;
}

export class GrowingText {
  private text = "";
  private done = 0; // characters of it in blocks that do not change any more
  private tail: Shown[] = [];
  private timer = 0;
  private shownAt = 0;

  constructor(private readonly into: Element) {}

  /** Shows this text. One that does not go on from the former starts anew. */
  set(given: string): void {
    const text = given.replace(/\r\n?/g, "\n"); // as the lexer sees it, so that lengths agree
    if (text === this.text) return;
    if (!text.startsWith(this.text.slice(0, this.done))) this.clear();
    this.text = text;
    if (this.timer) return;
    const waited = performance.now() - this.shownAt;
    if (waited >= pauseMs) this.show();
    else this.timer = window.setTimeout(() => this.show(), pauseMs - waited);
  }

  /** Shows what is still waiting, at once. */
  flush(): void {
    if (this.timer) this.show();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = 0;
  }

  private clear(): void {
    this.into.replaceChildren();
    this.tail = [];
    this.done = 0;
  }

  private show(): void {
    this.stop();
    this.shownAt = performance.now();
    const blocks = blocksOf(this.text.slice(this.done));
    for (const { box } of this.tail.splice(blocks.length)) box.remove();
    blocks.forEach((raw, i) => this.showBlock(raw, i));
    for (const { raw } of this.tail.splice(0, this.tail.length - open)) this.done += raw.length;
  }

  private showBlock(raw: string, at: number): void {
    const shown = (this.tail[at] ??= {
      raw: "",
      box: this.into.appendChild(document.createElement("div")),
    });
    if (shown.raw === raw) return;
    shown.raw = raw;
    render_safe(shown.box, raw);
  }
}
