/** Tokens as the API prints them, and the text they make. A token that is part of a character comes as
 *  "bytes:\xf0\x9f": only together with its neighbours it can be read. */

const isBytes = (token: string) => /^bytes:(\\x[0-9a-f]{2})+$/.test(token);

/** Whether the token can stand in a text by itself. */
export const isText = (token: string) => !isBytes(token) && !token.startsWith("token_id:");

export function textOfTokens(tokens: string[]): string {
  const encoder = new TextEncoder();
  const bytes = tokens.flatMap((token) =>
    isBytes(token) ? token.slice(8).split("\\x").map((hex) => parseInt(hex, 16))
    : [...encoder.encode(token)]);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
}
