/** A text that grows while it is read. Blocks that are complete stay as they are; the last one is
 *  rendered again as it grows, at most every 50 ms. */
import { blocksOf, render_safe } from "./render_safe";

const pauseMs = 50;

export class GrowingText {
  private frozen = 0; // characters of `text` in blocks that are done
  private text = "";
  private last: Element | null = null;
  private timer = 0;
  private shownAt = 0;

  constructor(private readonly into: Element) {}

  /** Shows this text. One that does not go on from the former starts anew. */
  set(given: string): void {
    const text = given.replace(/\r\n?/g, "\n"); // as the lexer sees it, so that lengths agree
    if (text === this.text) return;
    if (!text.startsWith(this.text.slice(0, this.frozen))) this.clear();
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
    this.frozen = 0;
    this.last = null;
  }

  private show(): void {
    this.stop();
    this.shownAt = performance.now();
    const blocks = blocksOf(this.text.slice(this.frozen));
    blocks.forEach((block, i) => {
      if (block.trim()) {
        this.last ??= this.into.appendChild(document.createElement("div"));
        render_safe(this.last, block);
      }
      if (i === blocks.length - 1) return;
      this.frozen += block.length;
      this.last = null;
    });
  }
}
