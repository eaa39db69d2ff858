/** The API key of this tab. `quickstart up` prints an address that ends in #key=…; the fragment never
 *  reaches a server, and is taken out of the address bar at once. */
const slot = "instructd.key";

/** Moves a key from the address's fragment to sessionStorage. Call before anything is fetched. */
export function takeKeyFromAddress(): void {
  const found = /(?:^#|&)key=([^&]+)/.exec(location.hash);
  if (!found?.[1]) return;
  sessionStorage.setItem(slot, decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
}

export function currentKey(): string | null {
  return sessionStorage.getItem(slot);
}

export function setKey(key: string): void {
  if (key) sessionStorage.setItem(slot, key);
  else sessionStorage.removeItem(slot);
}
