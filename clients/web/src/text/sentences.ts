/** Where the last complete sentence or line of a growing text ends: what a screen reader is told. */
const ends = /[.!?…]["'”’)\]]*\s|\n|[。！？]/g;

export function endOfLastSentence(text: string): number {
  let end = 0;
  for (const match of text.matchAll(ends)) end = match.index + match[0].length;
  return end;
}
