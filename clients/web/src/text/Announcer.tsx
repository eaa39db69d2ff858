/** Reads a growing answer out to those who listen: sentence by sentence, and the rest at the end. */
import { useEffect, useRef, useState } from "preact/hooks";
import { endOfLastSentence } from "./sentences";

export function Announcer({ text, done }: { text: string; done: boolean }) {
  const told = useRef(0);
  const [now, setNow] = useState("");
  useEffect(() => {
    if (text.length < told.current) told.current = 0;
    const end = done ? text.length : endOfLastSentence(text);
    if (end <= told.current) return;
    setNow(text.slice(told.current, end));
    told.current = end;
  }, [text, done]);
  return (
    <div class="unseen" aria-live="polite">
      {now}
    </div>
  );
}
