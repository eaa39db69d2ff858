/** A few-shot prompt in its parts: an instruction, pairs of query and response that show it, and the query
 *  that a demonstration answers. */
export interface FewShot {
  instruction: string;
  pairs: { query: string; response: string }[];
  query: string;
}

const pair = () => ({ query: "", response: "" });

export const newFewShot = (): FewShot => ({ instruction: "", pairs: [pair(), pair()], query: "" });

export const withPair = (parts: FewShot): FewShot => ({ ...parts, pairs: [...parts.pairs, pair()] });

export const withoutPair = (parts: FewShot, at: number): FewShot =>
  ({ ...parts, pairs: parts.pairs.filter((_, i) => i !== at) });

export function changePair(parts: FewShot, at: number, part: Partial<FewShot["pairs"][0]>): FewShot {
  return { ...parts, pairs: parts.pairs.map((one, i) => (i === at ? { ...one, ...part } : one)) };
}

/** The prompt as one text. Pairs that are not filled in are none. */
export function promptOf({ instruction, pairs, query }: FewShot): string {
  const whole = pairs.filter((one) => one.query.trim() && one.response.trim());
  return [
    instruction.trim(),
    ...whole.map((one) => `Query: ${one.query.trim()}\nResponse: ${one.response.trim()}`),
    `Query: ${query.trim()}\nResponse:`,
  ].join("\n\n");
}
