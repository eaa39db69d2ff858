// The Playground: asking, stopping, choosing tokens, comparing, voting, and what it keeps.
import { join } from "node:path";
import { expectClean, hasShown, newPage } from "./browser.mjs";
import { Daemon, demonstrations, quick, slow } from "./daemon.mjs";
import { json, startFront } from "./front.mjs";
import { check, equal, test, until } from "./harness.mjs";

/** What the settings panel would save. */
export const withSettings = (page, settings) => page.addInitScript((given) => {
  if (!localStorage.getItem("instructd.settings"))
    localStorage.setItem("instructd.settings", JSON.stringify(given));
}, settings);

const numbers = (more) => ({ temperature: 0.7, max_tokens: 24, top_p: 1, top_k: 0, min_p: 0,
  presence_penalty: 0, frequency_penalty: 0, min_tokens: 0, n: 1, ...more });
const seed = 11; // the same answers in every run
const short = { numbers: numbers({}), ignoreEos: true, seed };
const endless = { numbers: numbers({ max_tokens: 15000 }), ignoreEos: true, seed };

export async function openPlayground(browser, origin, settings = short, options = {}) {
  const page = await newPage(browser, origin, options);
  await withSettings(page, settings);
  await page.goto(origin + "/");
  await page.waitForSelector(".badge");
  return page;
}

export async function ask(page, text) {
  await page.fill("#draft", text);
  await page.press("#draft", "Control+Enter");
}

const answered = (page, n = 1) =>
  page.waitForFunction((n) => document.querySelectorAll(".answer footer").length >= n, n);

/** A second policy, trained here; made once. */
let second = null;
export async function secondPolicy(daemon) {
  if (second) return second;
  const file = await daemon.upload("demos.jsonl", demonstrations);
  const { id } = await daemon.call("POST", "/v1/fine_tuning/jobs", {
    model: "instruct", training_file: file,
    method: { type: "supervised", supervised: { hyperparameters: quick(2) } },
  });
  const job = await until("the job", async () => {
    const now = await daemon.call("GET", `/v1/fine_tuning/jobs/${id}`);
    return now.status === "succeeded" && now;
  });
  return (second = job.fine_tuned_model);
}

test("a chat is answered with its figures, and a reload finds it again", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await ask(page, "Good morning");
  await answered(page);
  const figures = await page.textContent(".figures");
  check(/pol_[0-9a-f]{16}/.test(figures), `no policy in ${figures}`);
  check(/tokens\/s/.test(figures) && /first word/.test(figures), `no speed in ${figures}`);
  await page.waitForFunction(() => localStorage.getItem("instructd.history")?.includes("Good morning"));
  await page.reload();
  await answered(page);
  equal("the turn", await page.textContent(".user .plain"), "Good morning");
  expectClean(page);
  await page.context().close();
});

for (const how of ["the button", "Esc"])
  test(`stopping with ${how} frees the engine`, async ({ browser }) => {
    const daemon = await Daemon.start(slow);
    const page = await openPlayground(browser, daemon.url, endless);
    const before = await daemon.metric("requests_cancelled_total");
    await ask(page, "Go on for ever");
    await until("a running request", () => daemon.metric("num_requests_running"));
    await page.waitForFunction(() => document.querySelector(".answer .prose")?.textContent.length > 20);
    if (how === "Esc") await page.keyboard.press("Escape");
    else await page.click("button.stop");
    await until("an idle engine", async () => (await daemon.metric("num_requests_running")) === 0);
    equal("cancelled", await daemon.metric("requests_cancelled_total"), before + 1);
    await answered(page);
    check((await page.textContent(".figures")).includes("stopped"), "it says that it was stopped");
    expectClean(page);
    await page.context().close();
    await daemon.end();
  });

test("another token can be chosen, and the answer goes on from it", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, { ...short, alternatives: 5 });
  await ask(page, "Hello");
  await page.waitForSelector(".token");
  const tokens = await page.$$eval(".token", (all) => all.map((b) => b.firstChild.textContent));
  await page.click(".token >> nth=5");
  const other = page.locator(".alternatives button:enabled").first();
  const text = await other.locator(".mono").textContent();
  const asked = page.waitForRequest((r) => r.url().endsWith("/v1/completions"));
  await other.click();
  const body = (await asked).postDataJSON();
  check(Array.isArray(body.prompt) && body.prompt.every(Number.isInteger), "the prompt is token ids");
  await answered(page);
  await page.waitForFunction(() => document.querySelectorAll(".token").length > 3);
  const before = await page.textContent(".token-text .before");
  const bytesOf = (token) => /^bytes:/.test(token)
    ? Buffer.from(token.slice(6).replaceAll("\\x", ""), "hex") : Buffer.from(token);
  const want = Buffer.concat([...tokens.slice(0, 5), text].map(bytesOf)).toString();
  equal("kept text", before.replace(/\n/g, "↵").replace(/\t/g, "⇥"), want);
  equal("alternatives", await page.textContent(".answer .siblings .small"), "2/2");
  expectClean(page);
  await page.context().close();
});

test("tokens are walked with the arrow keys", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, { ...short, alternatives: 5 });
  await ask(page, "Hello");
  await page.waitForSelector(".token");
  await page.focus(".token");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".alternatives");
  equal("pressed", await page.$$eval(".token", (all) =>
    all.findIndex((b) => b.getAttribute("aria-pressed") === "true")), 2);
  await page.context().close();
});

test("an answer cut at its length is continued", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await ask(page, "Hello");
  await answered(page);
  const shown = () => page.textContent(".answer .prose");
  await until("all of it", async () => (await shown()).length > 4);
  const before = (await shown()).trim().slice(0, 5);
  const turns = await page.$$eval(".answer", (all) => all.length);
  const asked = page.waitForRequest((r) => r.url().endsWith("/v1/completions"));
  await page.click("button:text-is('Continue')");
  const { prompt } = (await asked).postDataJSON();
  const { count } = await daemon.call("POST", "/tokenize", { messages: [{ role: "user", content: "Hello" }] });
  check(prompt.length > count, "the prompt goes on inside the answer");
  await answered(page);
  check((await shown()).trim().startsWith(before), "what stood there stays");
  equal("answers", await page.$$eval(".answer", (all) => all.length), turns);
  await page.context().close();
});

test("an answer that holds U+0000 is continued and answered", async ({ browser, daemon }) => {
  const front = await startFront(daemon, { "POST /v1/chat/completions": async (_, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.end(`data: ${JSON.stringify({ model: "instruct", choices: [
      { index: 0, delta: { content: "a\0b" }, finish_reason: "length" }] })}\n\ndata: [DONE]\n\n`);
  } });
  const page = await openPlayground(browser, front.url);
  await ask(page, "Hello");
  await answered(page);
  const continued = page.waitForResponse((r) => r.url().endsWith("/v1/completions"));
  await page.click("button:text-is('Continue')");
  equal("continued", (await continued).status(), 200);
  await answered(page);
  const asked = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask(page, "And then?");
  check((await asked).postDataJSON().messages[1].content.startsWith("a\ufffdb"), "the first answer goes along");
  await page.context().close();
  await front.stop();
});

test("complete mode writes on, and what it wrote can be kept", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await page.click("text=Complete");
  await ask(page, "Once upon a time");
  await answered(page);
  const written = await page.textContent(".completion .plain");
  await page.click("text=Keep it and go on");
  equal("the text", await page.inputValue("#draft"), "Once upon a time" + written.replace(/\r\n?/g, "\n"));
  expectClean(page);
  await page.context().close();
});

test("regenerating makes branches that the keyboard walks", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, { ...short, seed: null });
  await ask(page, "Hello");
  await answered(page);
  const first = await page.textContent(".answer .prose");
  await page.keyboard.press("Alt+r");
  await page.waitForFunction(() => document.querySelector(".siblings")?.textContent.includes("2/2"));
  await answered(page);
  await page.keyboard.press("Alt+[");
  await page.waitForFunction(() => document.querySelector(".siblings")?.textContent.includes("1/2"));
  equal("the first again", await page.textContent(".answer .prose"), first);
  await page.context().close();
});

test("several answers at once are alternatives", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, { ...short, numbers: numbers({ n: 3 }) });
  await ask(page, "Hello");
  await answered(page);
  equal("alternatives", await page.textContent(".answer .siblings .small"), "1/3");
  await page.context().close();
});

test("an edited turn is a branch of its own", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await ask(page, "Hello");
  await answered(page);
  await page.click('.user [aria-label="Edit"]');
  await page.fill(".editing textarea", "Good evening");
  await page.click(".editing .primary");
  await page.waitForFunction(() => document.querySelector(".user .siblings")?.textContent.includes("2/2"));
  equal("the turn", await page.textContent(".user .plain"), "Good evening");
  await page.context().close();
});

test("tokens are counted while one types", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await page.click("text=Complete");
  await page.fill("#draft", "hello");
  const { count } = await daemon.call("POST", "/tokenize", { prompt: "hello" });
  await page.waitForFunction((n) => document.querySelector(".meter")?.textContent.startsWith(`${n} of`), count);
  await page.fill("#draft", "a b ".repeat(3800));
  await page.waitForFunction(() => document.querySelector(".meter.warn strong"));
  await page.context().close();
});

test("two policies answer side by side, and the vote stays here where no server takes it",
     async ({ browser, daemon }) => {
  const front = await startFront(daemon, { "POST /v1/votes": (_, res) => json(res, 404,
    { error: { message: "nothing here", type: "not_found_error", param: null, code: "not_found" } }) });
  const other = await secondPolicy(daemon);
  const page = await openPlayground(browser, front.url);
  await page.check("text=Two side by side");
  await page.selectOption("#policy2", other);
  await ask(page, "Hello");
  await answered(page, 2);
  const figures = await page.$$eval(".side .figures", (all) => all.map((f) => f.textContent));
  check(figures.every((f) => /first word/.test(f) && /tokens\/s/.test(f)), `figures: ${figures}`);
  check((await page.textContent(".sides")).includes(other), "the second policy is named");
  await page.click("text=Tie");
  await page.waitForFunction(() => document.body.textContent.includes("stays in this browser"));
  expectClean(page);
  await page.context().close();
  await front.stop();
});

test("a blind pair names no policy before its vote, then reveals and locks", async ({ browser, daemon }) => {
  const votes = [];
  const front = await startFront(daemon, { "POST /v1/votes": (body, res) => {
    votes.push(body);
    json(res, 201, { id: "vote_1", left: { policy: "x", alias: null }, right: { policy: "y", alias: null } });
  } });
  const other = await secondPolicy(daemon);
  const page = await openPlayground(browser, front.url);
  await page.check("text=Two side by side");
  await page.selectOption("#policy2", other);
  await page.check("text=Blind");
  await ask(page, "Hello");
  await page.waitForSelector(".vote");
  await answered(page, 2);
  const html = await page.content();
  check(!/pol_[0-9a-f]{16}/.test(html), "a policy is named before the vote");
  check(!html.includes("instruct@"), "an alias is named before the vote");
  await page.click("text=B is better");
  await until("the vote", () => votes.length);
  const [vote] = votes;
  equal("vote", [vote.vote, vote.blind, vote.shown_left], ["b", true, "a"]);
  check(/^req_/.test(vote.left.request_id) && /^req_/.test(vote.right.request_id), "request ids");
  await page.waitForFunction((id) => document.querySelector(".sides").textContent.includes(id), other);
  check(await page.isDisabled("text=A is better"), "votes are locked");
  equal("votes", votes.length, 1);
  expectClean(page);
  await page.context().close();
  await front.stop();
});

test("a blind vote does not count when an answer names its policy", async ({ browser, daemon }) => {
  const votes = [];
  const front = await startFront(daemon, {
    "POST /v1/votes": (body, res) => { votes.push(body); json(res, 201, {}); },
    "POST /v1/chat/completions": (_, res) => {
      res.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_front" });
      res.end(`data: ${JSON.stringify({ model: "m", choices: [{ index: 0,
        delta: { content: "I am pol_0123456789abcdef." }, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`);
    },
  });
  const page = await openPlayground(browser, front.url);
  await page.check("text=Two side by side");
  await page.check("text=Blind");
  await ask(page, "Who are you?");
  await answered(page, 2);
  await page.click("text=A is better");
  await page.waitForSelector("text=an answer has named its policy");
  equal("votes", votes, []);
  await page.context().close();
  await front.stop();
});

test("the request as code never holds the key", async ({ browser, daemon }) => {
  const page = await newPage(browser, daemon.url);
  await page.goto(`${daemon.url}/#key=${daemon.key}`);
  await page.waitForSelector(".badge");
  await page.fill("#draft", "It's a test");
  await page.click("text=View code");
  for (const language of ["curl", "Python", "JavaScript", "instruct"]) {
    await page.click(`dialog .chip:text-is("${language}")`);
    const code = await page.textContent("pre.code");
    check(!code.includes(daemon.key), `${language} shows the key`);
    check(language === "instruct" || code.includes("INSTRUCTD_API_KEY"), `${language} names the variable`);
    check(/It's a test|It'\\''s a test/.test(code), `${language} holds the prompt: ${code}`);
  }
  await page.context().close();
});

test("what is set beside the sliders is sent, and shown as code", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await page.click("text=More");
  for (const [label, value] of [["seed", "7"], ["Stop texts", "end\n\\n\\n"], ["stop_token_ids", "0, 2 2"],
                                ["logit_bias", "5: -100\n6: 1.5"]])
    await page.locator(`.fine .field:has-text("${label}")`).locator("input, textarea").fill(value);
  await page.check("text=ignore_eos");
  const asked = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask(page, "Hello");
  const body = (await asked).postDataJSON();
  equal("fields", [body.seed, body.stop, body.stop_token_ids, body.logit_bias, body.ignore_eos],
        [7, ["end", "\n\n"], [0, 2], { 5: -100, 6: 1.5 }, true]);
  await answered(page);
  await page.click("text=View code");
  await page.click('dialog .chip:text-is("Python")');
  check(/extra_body=.*"stop_token_ids": \[0,2\]/.test(await page.textContent("pre.code")), "an extra of ours");
  expectClean(page);
  await page.context().close();
});

test("the key of the address goes along and leaves the address", async ({ browser, daemon }) => {
  const page = await newPage(browser, daemon.url);
  const asked = page.waitForRequest((r) => r.url().endsWith("/v1/models?limit=100"));
  await page.goto(`${daemon.url}/#key=${daemon.key}`);
  equal("authorization", (await (await asked).allHeaders()).authorization, `Bearer ${daemon.key}`);
  equal("address", page.url(), `${daemon.url}/`);
  equal("kept", await page.evaluate(() => [sessionStorage.getItem("instructd.key"),
                                           JSON.stringify(localStorage).includes("sk-inst")]),
        [daemon.key, false]);
  await page.context().close();
});

test("the notice asks, remembers for the session, and data can be deleted", async ({ browser, daemon }) => {
  let choice = null;
  const calls = [];
  const me = () => ({ user: "ada", role: null, scopes: ["playground"],
    notice: { version: 3, text: "What you type may be kept.", due: choice === null, choice } });
  const front = await startFront(daemon, {
    "GET /v1/me": (_, res) => json(res, 200, me()),
    "PUT /v1/me/consent": (body, res) => { calls.push(body); choice = body.choice; json(res, 200, me()); },
    "DELETE /v1/me/data": (_, res) => { calls.push("delete"); json(res, 200, {}); },
  });
  const page = await openPlayground(browser, front.url);
  await page.waitForSelector(".notice");
  await page.click(".notice >> text=Share what I type");
  await page.waitForSelector(".notice", { state: "detached" });
  equal("consent", calls[0], { notice_version: 3, choice: "share" });
  await page.click(".privacy >> text=Privacy");
  await page.click("text=Delete my data");
  await page.click("dialog .primary:text-is('Delete')");
  await until("the deletion", () => calls.includes("delete"));
  expectClean(page);
  await page.context().close();
  const again = await openPlayground(browser, front.url); // another session: the notice recurs
  await again.waitForSelector(".notice");
  await again.context().close();
  await front.stop();
});

test("a notice that comes too late is not shown in the language that was left", async ({ browser, daemon }) => {
  const late = [];
  const notice = (text) => ({ user: "ada", role: null, scopes: ["playground"],
    notice: { version: 3, text, due: true, choice: null } });
  const front = await startFront(daemon, { "GET /v1/me": (_, res, req) => {
    if (req.url.endsWith("=de")) late.push(res);
    else json(res, 200, notice("What you type may be kept."));
  } });
  const page = await openPlayground(browser, front.url);
  for (const [status, body] of [[200, notice("Was du schreibst, kann bleiben.")], [503, {}]]) {
    await page.selectOption("header select", "de");
    await until("the German request", () => late.length === 1);
    const english = page.waitForResponse((r) => r.url().endsWith("/v1/me?language=en"));
    await page.selectOption("header select", "en");
    await hasShown(page, english);
    const german = page.waitForResponse((r) => r.url().endsWith("/v1/me?language=de"));
    json(late.pop(), status, body);
    await hasShown(page, german);
    equal("notices", await page.$$eval(".notice p", (all) => all.map((p) => p.textContent)),
          ["What you type may be kept."]);
  }
  expectClean(page);
  await page.context().close();
  await front.stop();
});

test("presets are kept, and history is exported and imported", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await ask(page, "Remember me");
  await answered(page);
  await page.click("text=Keep these settings");
  await page.fill(".presets input", "mine");
  await page.click(".presets >> text=Save");
  const saving = page.waitForEvent("download");
  await page.click("text=Export");
  const path = join(daemon.dir, "export.json");
  await (await saving).saveAs(path);
  await page.context().close();
  const other = await openPlayground(browser, daemon.url);
  const choosing = other.waitForEvent("filechooser");
  await other.click("text=Import");
  await (await choosing).setFiles(path);
  await other.waitForSelector(".history >> text=Remember me");
  await other.waitForSelector(".presets >> text=mine");
  await other.context().close();
});

test("German speaks German", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, short, { locale: "de-DE" });
  await page.waitForSelector("text=Worüber wollen wir reden?");
  equal("lang", await page.getAttribute("html", "lang"), "de");
  await page.selectOption("header select", "en");
  await page.waitForSelector("text=What shall we talk about?");
  await page.context().close();
});

test("Enter sends in a chat, and is a newline on touch", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url, short, { hasTouch: true, isMobile: true,
                                                                  width: 360, height: 740 });
  await page.fill("#draft", "one");
  await page.press("#draft", "Enter");
  equal("draft", await page.inputValue("#draft"), "one\n");
  await page.context().close();
  const desk = await openPlayground(browser, daemon.url);
  await desk.fill("#draft", "one");
  await desk.press("#draft", "Enter");
  await answered(desk);
  await desk.context().close();
});

test("what is read out comes in sentences", async ({ browser, daemon }) => {
  const front = await startFront(daemon, { "POST /v1/chat/completions": (_, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    const words = ["One ", "two. ", "Three ", "four"];
    words.forEach((content, i) => setTimeout(() => res.write(`data: ${JSON.stringify(
      { model: "m", choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`), 150 * i));
    setTimeout(() => res.end("data: [DONE]\n\n"), 600);
  } });
  const page = await openPlayground(browser, front.url);
  await page.evaluate(() => {
    globalThis.told = [];
    new MutationObserver(() => {
      const now = document.querySelector(".answer [aria-live]")?.textContent;
      if (now && now !== globalThis.told.at(-1)) globalThis.told.push(now);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await ask(page, "Count");
  await answered(page);
  await page.waitForFunction(() => globalThis.told.length >= 2);
  equal("told", await page.evaluate(() => globalThis.told), ["One two. ", "Three four"]);
  await page.context().close();
  await front.stop();
});
