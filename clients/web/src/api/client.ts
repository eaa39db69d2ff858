/** One way to the daemon: the key goes along, failures become ApiError, JSON is parsed once. */
import { currentKey } from "../base/key";

/** What went wrong, in the server's words. status 0: it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

export interface CallOptions {
  body?: unknown; // sent as JSON
  form?: FormData;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** The value as JSON that the server takes. A model may write U+0000, which RFC 8259 lets a string hold and
 *  the server refuses; U+FFFD stands for it, so that such an answer can still be gone on from. */
const toJson = (value: unknown) =>
  JSON.stringify(value, (_, part) => (typeof part === "string" ? part.replaceAll("\0", "\ufffd") : part));

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text);
    return new ApiError(response.status, error.message, error.code, error.param);
  } catch {
    return new ApiError(response.status, text.slice(0, 200) || response.statusText);
  }
}

/** The response of a request that succeeded (2xx); else throws ApiError, or the abort's reason. */
export async function call(method: string, path: string, options: CallOptions = {}) {
  const headers: Record<string, string> = { ...options.headers };
  const key = currentKey();
  if (key) headers["authorization"] = "Bearer " + key;
  const init: RequestInit = { method, headers, cache: "no-store" };
  if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = toJson(options.body);
  } else if (options.form) {
    init.body = options.form;
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "the server cannot be reached");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function json<T>(response: Response): Promise<T> {
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

export const get = async <T>(path: string, signal?: AbortSignal) =>
  json<T>(await call("GET", path, { signal }));
export const post = async <T>(path: string, body: unknown = {}, signal?: AbortSignal) =>
  json<T>(await call("POST", path, { body, signal }));

/** Is this the answer of a server that has no such route (yet)? */
export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.code === "not_found";
}

/** Every object of a list, page after page, up to `most`. */
export async function getAll<T extends object>(path: string, idOf: (t: T) => string, most = 500) {
  const found: T[] = [];
  for (let after = ""; ; ) {
    const page = await get<{ data: T[]; has_more: boolean }>(
      `${path}?limit=100${after ? `&after=${encodeURIComponent(after)}` : ""}`,
    );
    found.push(...page.data);
    const last = page.data.at(-1);
    if (!page.has_more || !last || found.length >= most) return found;
    after = idOf(last);
  }
}
