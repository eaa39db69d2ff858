/** Text of a model, as Markdown, while it streams and after. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { GrowingText } from "./growing_text";

export function SafeText({ text, done }: { text: string; done: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const growing = useRef<GrowingText | null>(null);
  // Before the browser draws, so that a text and the figures below it appear together.
  useLayoutEffect(() => {
    if (!box.current) return;
    growing.current ??= new GrowingText(box.current);
    growing.current.set(text);
    if (done) growing.current.flush();
  }, [text, done]);
  useEffect(() => () => growing.current?.stop(), []);
  return <div class="prose" ref={box} />;
}
