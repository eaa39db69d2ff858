/** An output as it was sampled: plain, since its form is part of what is judged. */
export function OutputText({ text }: { text: string }) {
  return <p class="plain output-text" tabIndex={0}>{text || "∅"}</p>;
}
