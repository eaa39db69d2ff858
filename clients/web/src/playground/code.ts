/** The request on the screen as a program, in four tongues. The key is always $INSTRUCTD_API_KEY. */
import { pathOf, requestBody, type Ask } from "../api/generate";
import { t } from "../i18n/i18n";
import { messagesTo, rootId, shownPath } from "./conversation";
import { draft } from "./context";
import { conversation } from "./history";
import { leftModel, resolved } from "./models";
import { requestOptions, settings } from "./params";

/** What would be sent now; where nothing has been said yet, one of the page's ideas. */
function currentAsk(): Ask {
  const c = conversation.value;
  const text = draft.value;
  if (c.mode === "complete")
    return { prompt: (text.trim() ? text : t("idea_story")) + settings.value.startText };
  const messages = messagesTo(c, shownPath(c).at(-1)?.id ?? rootId);
  if (text.trim()) messages.push({ role: "user", content: text });
  else if (!messages.some((m) => m.role === "user"))
    messages.push({ role: "user", content: t("idea_sky") });
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

const flags = new Set([
  "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty",
  "frequency_penalty", "n",
]);

/** The words for one field, or null where the command line has none for it. */
function optionOf(name: string, value: any): string[] | null {
  const flag = "--" + name.replaceAll("_", "-");
  if (flags.has(name)) return [`${flag} ${value}`];
  if (name === "stop") return value.map((stop: string) => `${flag} ${shellQuoted(stop)}`);
  if (name === "logit_bias")
    return Object.entries(value).map(([id, bias]) => `${flag} ${id}=${bias}`);
  return null;
}

/** One message of a conversation; what the command line cannot say stands below as a remark. */
function cli({ ask, body }: Request): string {
  const { model, prompt: _, messages: __, logprobs, top_logprobs, ...fields } = body;
  const words = [`INSTRUCTD_URL=${location.origin} instruct`];
  const left: string[] = [];
  const chat = "messages" in ask;
  words.push(chat ? "chat" : "complete", `--model ${shellQuoted(String(model))}`);
  const system = chat && ask.messages.find((m) => m.role === "system")?.content;
  if (system) words.push(`--system ${shellQuoted(system)}`);
  for (const [name, value] of Object.entries(fields)) {
    const options = optionOf(name, value);
    if (options) words.push(...options);
    else left.push(name);
  }
  if (logprobs) words.push(`--logprobs ${chat ? top_logprobs : logprobs}`);
  const said = chat ? ask.messages.filter((m) => m.role !== "system") : [];
  if (said.length > 1) left.push("messages[…]");
  words.push("--", shellQuoted(chat ? (said.findLast((m) => m.role === "user")?.content ?? "")
                                    : String(ask.prompt)));
  return words.join(" ") + left.map((name) => `\n# ${t("code_left_out", { name })}`).join("");
}

export const codeLanguages = { curl, Python: python, JavaScript: javascript, instruct: cli };
export type CodeLanguage = keyof typeof codeLanguages;

export const codeOf = (language: CodeLanguage) => codeLanguages[language](currentRequest());
