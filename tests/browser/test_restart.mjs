// Pages outlive what happens to the server.
import { json, startFront } from "./front.mjs";
import { equal, test } from "./harness.mjs";
import { ask, openPlayground } from "./test_playground.mjs";

const answers = (page, n) =>
  page.waitForFunction((n) => document.querySelectorAll(".answer footer").length === n, n);

test("the Playground can be used while the model loads", async ({ browser, daemon }) => {
  const loading = (_, res) => json(res, 503, { error: { message: "the model is being loaded",
    type: "unavailable_error", param: null, code: "not_ready" } });
  const routes = { "GET /ready": loading, "POST /v1/chat/completions": loading };
  const front = await startFront(daemon, routes);
  const page = await openPlayground(browser, front.url).catch(() => null);
  await page.waitForSelector(".health.loading");
  await ask(page, "Too early");
  await page.waitForSelector(".problem:has-text('being loaded')");
  delete routes["GET /ready"];
  delete routes["POST /v1/chat/completions"];
  await page.waitForSelector(".health", { state: "detached" });
  await page.keyboard.press("Alt+r");
  await page.waitForFunction(() => document.querySelector(".answer .prose")?.textContent.length > 0);
  await page.context().close();
  await front.stop();
});

test("the Playground survives a restart of the daemon", async ({ browser, daemon }) => {
  const page = await openPlayground(browser, daemon.url);
  await ask(page, "Before");
  await answers(page, 1);
  await page.fill("#draft", "After");
  await daemon.down();
  await page.waitForSelector(".health.offline");
  await daemon.up();
  await page.waitForSelector(".health", { state: "detached" });
  equal("the draft", await page.inputValue("#draft"), "After");
  await page.press("#draft", "Control+Enter");
  await answers(page, 2);
  await page.context().close();
});
