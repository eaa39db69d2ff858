// Model output is hostile text. Each payload of the corpus is streamed into the page one character at a
// time, and every beginning of it is rendered: no script may run, no request leave, no policy report.
import { readFileSync } from "node:fs";
import { newPage, expectClean } from "./browser.mjs";
import { json, startFront } from "./front.mjs";
import { check, equal, test } from "./harness.mjs";
import { ask, openPlayground } from "./test_playground.mjs";

const corpus = readFileSync(new URL("./hostile_text.txt", import.meta.url), "utf8")
  .split("\n").filter((line) => line && !line.startsWith("# "))
  .map((line) => line.replaceAll("\\n", "\n"));
const pagesAtOnce = 6;

/** Answers /v1/chat/completions inside the page: a character, then two frames to render it, and so on. */
function streamByFrames() {
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const event = (choice) => new TextEncoder().encode(
    `data: ${JSON.stringify({ model: "m", choices: choice })}\n\n`);
  const real = globalThis.fetch;
  let clock = 0;
  performance.now = () => (clock += 1000); // every piece is shown at once, not each 50 ms
  globalThis.fetch = async (path, init) => {
    if (!String(path).endsWith("/v1/chat/completions")) return real(path, init);
    const { messages } = JSON.parse(init.body);
    const characters = [...messages.at(-1).content];
    const body = new ReadableStream({
      async pull(out) {
        const content = characters.shift();
        if (content === undefined) {
          out.enqueue(new TextEncoder().encode("data: [DONE]\n\n"));
          out.close();
          return;
        }
        out.enqueue(event([{ index: 0, delta: { content }, finish_reason: null }]));
        await frame();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

/** Elements and attributes of rendered answers that a sanitiser must not have let through. */
function foreignMarkup() {
  const tags = new Set("a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul".split(" "));
  const attributes = new Set(["href", "rel", "target", "start"]);
  const found = [];
  for (const el of document.querySelectorAll(".prose *")) {
    if (!tags.has(el.localName)) found.push(`<${el.localName}>`);
    for (const { name, value } of el.attributes)
      if (name === "tabindex" && /^(pre|table)$/.test(el.localName)) continue;
      else if (!attributes.has(name)) found.push(`${el.localName} ${name}=${value}`);
      else if (name === "href" && !/^(https?:|mailto:)/.test(value)) found.push(`href=${value}`);
  }
  return found;
}

async function streamAll(browser, daemon, payloads, prepare) {
  const page = await newPage(browser, daemon.url);
  await page.addInitScript(streamByFrames);
  if (prepare) await page.addInitScript(prepare);
  await page.goto(daemon.url + "/");
  await page.waitForSelector(".badge");
  for (const payload of payloads) {
    await page.click("text=New conversation");
    await page.fill("#draft", payload);
    await page.press("#draft", "Control+Enter");
    await page.waitForSelector(".answer footer");
    equal(`markup of ${payload}`, await page.evaluate(foreignMarkup), []);
    check(!(await page.evaluate(() => globalThis.hit)), `a script ran: ${payload}`);
    expectClean(page);
  }
  const shown = await page.textContent(".answer .prose");
  await page.context().close();
  return shown;
}

/** The payloads dealt out to several pages at a time. */
const inPages = (browser, daemon, prepare) => Promise.all(
  Array.from({ length: pagesAtOnce }, (_, i) => streamAll(
    browser, daemon, corpus.filter((_, j) => j % pagesAtOnce === i), prepare)));

test("hostile text split everywhere runs nothing and asks for nothing", async ({ browser, daemon }) => {
  check(corpus.length >= 30, `the corpus holds ${corpus.length}`);
  await inPages(browser, daemon);
});

test("the same with a sanitiser that throws: text is shown as text", async ({ browser, daemon }) => {
  const broken = () => {
    Document.prototype.createNodeIterator = () => { throw new Error("no walking today"); };
  };
  await inPages(browser, daemon, broken);
  const page = "<img src=x onerror=hit=1> **bold**";
  equal("as text", await streamAll(browser, daemon, [page], broken), page);
});

test("hostile text is text wherever a page shows it", async ({ browser, daemon }) => {
  const text = corpus.join("\n");
  const outputs = ["a", "b", "c", "d"].map((id, i) => ({ id, text: corpus.filter((_, j) => j % 4 === i).join("\n") }));
  const policy = { id: "pol_0123456789abcdef", created_at: 1, stage: "sft", state: "validated", resident: true,
    bytes: 1, dtype: text, metrics: { [text]: 1 }, lineage: { parent: text, job: text, datasets: [], reward_model: null } };
  const alias = { name: "instruct", policy: policy.id, previous: null, version: 1, updated_at: 1, updated_by: text };
  const front = await startFront(daemon, {
    "GET /v1/me": (_, res) => json(res, 200, { user: text, role: text, scopes: ["label:rank", "train", "playground"],
      notice: { version: 1, text, due: true, choice: null } }),
    "GET /v1/labels/tasks/next": (_, res) => json(res, 200, { id: "task_h", kind: "rank", prompt: text, outputs,
      guideline_version: text, criterion_mode: "helpfulness_first", lease_expires_at: 0 }),
    "GET /v1/policies": (_, res) => json(res, 200, { object: "list", data: [policy], has_more: false }),
    "GET /v1/aliases": (_, res) => json(res, 200, { object: "list", data: [alias], has_more: false }),
    "GET /v1/aliases/instruct/history": (_, res) => json(res, 200, { object: "list", has_more: false, data: [
      { id: "1", version: 1, policy: policy.id, previous: null, reason: text, updated_at: 1, updated_by: text }] }),
    "GET /v1/fine_tuning/jobs": (_, res) => json(res, 200, { object: "list", has_more: false, data: [
      { id: "ftjob-1", created_at: 1, finished_at: 1, model: text, fine_tuned_model: null, status: "failed",
        error: { message: text }, training_file: text, validation_file: null, trained_tokens: null,
        method: { type: text }, seed: 0 }] }),
    "POST /v1/completions": (_, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      const tokens = [text, "x"];
      res.end(`data: ${JSON.stringify({ model: "m", choices: [{ index: 0, text: text + "x", finish_reason: "length",
        logprobs: { tokens, token_logprobs: [-1, -1], top_logprobs: [{ [text]: -1 }, { x: -1 }] } }] })}\n\ndata: [DONE]\n\n`);
    },
  });
  const open = async (path, seen) => {
    const page = await newPage(browser, front.url);
    await page.addInitScript(() => {
      localStorage.setItem("instructd.settings", JSON.stringify({ numbers: { max_tokens: 8 }, alternatives: 5 }));
      localStorage.setItem("instructd.mode", '"complete"');
    });
    await page.goto(front.url + path);
    await page.waitForSelector(seen);
    return page;
  };
  const done = async (page) => {
    await page.waitForTimeout(100);
    check(!(await page.evaluate(() => globalThis.hit)), "a script ran");
    equal("foreign elements", await page.$$eval("img, iframe, object, embed, form[action], base, style:not(head *), script:not(head *)",
      (all) => all.map((el) => el.outerHTML.slice(0, 80))), []);
    expectClean(page);
    await page.context().close();
  };
  const label = await open("/label", ".likert");
  for (const quality of [4, 4, 4, 4]) {
    await label.keyboard.press(String(quality));
    await label.keyboard.press("j");
  }
  await label.keyboard.press("Control+Enter");
  await label.waitForSelector(".board");
  await done(label);
  await done(await open("/policies", ".policy-card"));
  await done(await open("/training", ".job"));
  const playground = await open("/", ".notice");
  await ask(playground, text);
  await playground.waitForSelector(".token");
  await playground.click(".token");
  await playground.waitForSelector(".alternatives");
  await done(playground);
  await front.stop();
});

test("bytes that arrive one at a time are the same text", async ({ browser, daemon }) => {
  const text = "Grüße, 世界! 👋 **fett** <b>x</b>";
  const front = await startFront(daemon, { "POST /v1/chat/completions": async (_, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    const bytes = Buffer.from(`: ping\r\n\r\ndata: ${JSON.stringify(
      { model: "m", choices: [{ index: 0, delta: { content: text }, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`);
    res.socket.setNoDelay(true);
    for (const byte of bytes) {
      res.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    res.end();
  } });
  const page = await openPlayground(browser, front.url);
  await ask(page, "Hello");
  await page.waitForSelector(".answer footer");
  equal("text", (await page.textContent(".answer .prose")).trim(), "Grüße, 世界! 👋 fett <b>x</b>");
  expectClean(page);
  await page.context().close();
  await front.stop();
});

test("Markdown comes out as it was meant", async ({ browser, daemon }) => {
  const text = "# T\n\n- a\n- **b**\n\n1. x\n\n2. y\n\n`c` [l](https://example.org)\n\n|h|\n|-|\n|d|\n\n```\n<i>\n```";
  const page = await newPage(browser, daemon.url);
  await page.addInitScript(streamByFrames);
  await page.addInitScript(() => {
    globalThis.policies = [];
    const make = trustedTypes.createPolicy.bind(trustedTypes);
    trustedTypes.createPolicy = (name, rules) => {
      globalThis.policies.push(name);
      return make(name, rules);
    };
  });
  await page.goto(daemon.url + "/");
  await page.waitForSelector(".badge");
  await page.fill("#draft", text);
  await page.press("#draft", "Control+Enter");
  await page.waitForSelector(".answer footer");
  const count = (selector) => page.$$eval(`.prose ${selector}`, (all) => all.length);
  equal("elements", [await count("h1"), await count("ul > li"), await count("ol > li"),
    await count("strong"), await count("td"), await count("pre code")], [1, 2, 2, 1, 1, 1]);
  equal("lists", await count("ol"), 1);
  equal("what scrolls and has the keyboard", await count("pre[tabindex='0'], .prose table[tabindex='0']"), 2);
  equal("Trusted Types policies", await page.evaluate(() => globalThis.policies), ["dompurify"]);
  equal("the link", await page.getAttribute(".prose a", "rel"), "noopener noreferrer");
  equal("the code", await page.textContent(".prose pre code"), "<i>\n");
  await page.context().close();
});
