/** A random id that fits the server's pattern for ids. */
export function newId(kind: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return kind + "_" + Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
