// Model output is hostile text. Each payload of the corpus is streamed into the page one character at a
// time, and every beginning of it is rendered: no script may run, no request leave, no policy report.
import { readFileSync } from "node:fs";
import { newPage, expectClean } from "./browser.mjs";
import { startFront } from "./front.mjs";
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
      if (!attributes.has(name)) found.push(`${el.localName} ${name}=${value}`);
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
  equal("Trusted Types policies", await page.evaluate(() => globalThis.policies), ["dompurify"]);
  equal("the link", await page.getAttribute(".prose a", "rel"), "noopener noreferrer");
  equal("the code", await page.textContent(".prose pre code"), "<i>\n");
  await page.context().close();
});
