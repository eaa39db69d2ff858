/** The request on the screen as a program, in four tongues. The key is always $INSTRUCTD_API_KEY. */
import { pathOf, requestBody, type Ask } from "../api/generate";
import { messagesTo, rootId, shownPath } from "./conversation";
import { draft } from "./context";
import { conversation } from "./history";
import { leftModel, resolved } from "./models";
import { requestOptions, settings } from "./params";

function currentAsk(): Ask {
  const c = conversation.value;
  if (c.mode === "complete") return { prompt: draft.value + settings.value.startText };
  const messages = messagesTo(c, shownPath(c).at(-1)?.id ?? rootId);
  if (draft.value.trim()) messages.push({ role: "user", content: draft.value });
  return { messages };
}

interface Request {
  path: string;
  ask: Ask;
  body: Record<string, unknown>;
}

function currentRequest(): Request {
  const ask = currentAsk();
  const now = settings.value;
  const options = requestOptions(now, now.seed);
  const body = requestBody(resolved(leftModel.value), ask, options, now.alternatives);
  return { path: pathOf(ask), ask, body };
}

const shellQuoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

function curl({ path, body }: Request): string {
  return [
    `curl -N ${location.origin}${path} \\`,
    `  -H "Authorization: Bearer $INSTRUCTD_API_KEY" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${shellQuoted(JSON.stringify({ ...body, stream: true }, null, 2))}`,
  ].join("\n");
}

/** JSON with Python's words. */
function pythonValue(value: unknown): string {
  return value === true ? "True" : value === false ? "False" : JSON.stringify(value);
}

/** What the official clients do not know goes along as extra_body. */
const ours = new Set(["top_k", "min_p", "min_tokens", "stop_token_ids", "ignore_eos"]);

function python({ ask, body }: Request): string {
  const own = Object.entries(body).filter(([name]) => ours.has(name));
  const known = Object.entries(body).filter(([name]) => !ours.has(name));
  const lines = known.map(([name, value]) => `    ${name}=${pythonValue(value)},`);
  if (own.length)
    lines.push(`    extra_body={${own.map(([n, v]) => `"${n}": ${pythonValue(v)}`).join(", ")}},`);
  const chat = "messages" in ask;
  return [
    "import os", "from openai import OpenAI", "",
    `client = OpenAI(base_url="${location.origin}/v1", api_key=os.environ["INSTRUCTD_API_KEY"])`,
    `for chunk in client.${chat ? "chat.completions" : "completions"}.create(`, ...lines,
    "    stream=True,", "):",
    `    print(chunk.choices[0].${chat ? 'delta.content or ""' : "text"}, end="", flush=True)`,
  ].join("\n");
}

function javascript({ ask, body }: Request): string {
  const chat = "messages" in ask;
  const text = JSON.stringify({ ...body, stream: true }, null, 2);
  return [
    'import OpenAI from "openai";', "",
    "const client = new OpenAI({",
    `  baseURL: "${location.origin}/v1",`, "  apiKey: process.env.INSTRUCTD_API_KEY,", "});",
    `const stream = await client.${chat ? "chat.completions" : "completions"}.create(${text});`,
    "for await (const chunk of stream)",
    `  process.stdout.write(chunk.choices[0]?.${chat ? 'delta?.content ?? ""' : 'text ?? ""'});`,
  ].join("\n");
}

const flags: Record<string, string> = {
  max_tokens: "--max-tokens", temperature: "--temperature", top_p: "--top-p", top_k: "--top-k",
  min_p: "--min-p", seed: "--seed", presence_penalty: "--presence-penalty",
  frequency_penalty: "--frequency-penalty",
};

function cli({ ask, body }: Request): string {
  const words = [`INSTRUCTD_URL=${location.origin} instruct`];
  if ("messages" in ask) {
    const system = ask.messages.find((m) => m.role === "system")?.content;
    const last = ask.messages.findLast((m) => m.role === "user")?.content ?? "";
    words.push("chat", shellQuoted(last));
    if (system) words.push("--system", shellQuoted(system));
  } else {
    words.push("complete", shellQuoted(String(ask.prompt)));
  }
  words.push("--model", String(body["model"]));
  for (const [name, flag] of Object.entries(flags))
    if (body[name] !== undefined) words.push(flag, String(body[name]));
  for (const stop of settings.value.stop) words.push("--stop", shellQuoted(stop));
  return words.join(" ");
}

export const codeLanguages = { curl, Python: python, JavaScript: javascript, instruct: cli };
export type CodeLanguage = keyof typeof codeLanguages;

export const codeOf = (language: CodeLanguage) => codeLanguages[language](currentRequest());
