// Pages outlive what happens to the server.
import { expectClean, newPage } from "./browser.mjs";
import { demonstrations, keyOf, quick } from "./daemon.mjs";
import { json, startFront } from "./front.mjs";
import { equal, test, until } from "./harness.mjs";
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

/** A front that answers as a daemon does whose model is still being loaded: pages and health alone. */
async function startLoading(daemon) {
  const loading = (_, res) => json(res, 503, { error: { message: "the model is being loaded",
    type: "unavailable_error", param: null, code: "not_ready" } });
  const routes = {};
  for (const path of ["/ready", "/v1/me", "/v1/models", "/v1/policies", "/v1/aliases", "/v1/events",
                      "/v1/fine_tuning/jobs", "/v1/fine_tuning/methods", "/v1/files", "/v1/datasets",
                      "/v1/labels/tasks/next", "/v1/labels/tasks", "/v1/labels/agreement"])
    routes[`GET ${path}`] = loading;
  const front = await startFront(daemon, routes);
  return { ...front, loaded: () => { for (const name of Object.keys(routes)) delete routes[name]; } };
}

test("every page can be opened while the model loads, and fills itself when it has",
     async ({ browser, daemon }) => {
  const front = await startLoading(daemon);
  const seen = { "/": ".badge", "/training": ".job-list, .empty-note.card:has-text('trained here')",
                 "/policies": ".policy-card", "/label": "text=No task is waiting" };
  const pages = [];
  for (const path of Object.keys(seen)) {
    const page = await newPage(browser, front.url);
    await page.goto(`${front.url}${path}#key=${keyOf("boss")}`);
    await page.waitForSelector(".health.loading");
    pages.push(page);
  }
  front.loaded();
  for (const [i, path] of Object.keys(seen).entries()) {
    await pages[i].waitForSelector(".health", { state: "detached" });
    await pages[i].waitForSelector(seen[path]);
    expectClean(pages[i]);
    await pages[i].context().close();
  }
  await front.stop();
});

/** Rank tasks whose outputs a file brings; how many were made. */
async function makeTasks(daemon, name, n) {
  const outputs = ["one", "two", "three", "four"].map((text) => ({ text }));
  const source = await daemon.upload(name, Array.from({ length: n }, (_, i) => ({ prompt: `${name} ${i}`, outputs })));
  return (await daemon.call("POST", "/v1/labels/tasks", { kind: "rank", source })).tasks;
}

test("a labeler's work outlives a restart of the daemon, and is handed in behind it", async ({ browser, daemon }) => {
  equal("tasks", await makeTasks(daemon, "restart.jsonl", 1), 1);
  const page = await newPage(browser, daemon.url);
  await page.goto(`${daemon.url}/label#key=${keyOf("anna")}`);
  await page.waitForSelector(".likert");
  for (const quality of [4, 3, 2, 1]) {
    await page.keyboard.press(String(quality));
    await page.keyboard.press("j");
  }
  await page.keyboard.press("Control+Enter");
  await daemon.down();
  for (const n of [1, 2, 3, 4])
    await page.selectOption(`[aria-label='Row of output ${n}']`, { value: String(n - 1) });
  await page.click("text=Submit");
  await page.waitForSelector(".toast.bad:has-text('cannot be reached')");
  await daemon.up();
  const labels = await daemon.metric("labels_total");
  await page.waitForSelector(".health", { state: "detached" });
  const sent = page.waitForResponse((r) => r.url().endsWith("/v1/labels/rankings"));
  await page.click("text=Submit");
  equal("status", (await sent).status(), 201);
  equal("labels", await daemon.metric("labels_total"), labels + 1);
  await page.waitForSelector("text=No task is waiting");
  expectClean(page);
  await page.context().close();
});

test("training and policies follow again behind a restart", async ({ browser, daemon }) => {
  const open = async (path) => {
    const page = await newPage(browser, daemon.url);
    await page.goto(`${daemon.url}${path}#key=${daemon.key}`);
    return page;
  };
  const training = await open("/training");
  const policies = await open("/policies");
  await training.waitForSelector(".job-list, .empty-note.card");
  await policies.waitForSelector(".policy-card");
  await daemon.down();
  await daemon.up();
  for (const page of [training, policies]) await page.waitForSelector(".health", { state: "detached" });
  const file = await daemon.upload("behind.jsonl", demonstrations);
  const { id } = await daemon.call("POST", "/v1/fine_tuning/jobs", { model: "instruct", training_file: file,
    method: { type: "supervised", supervised: { hyperparameters: quick(1) } } });
  const made = await until("the job", async () => {
    const now = await daemon.call("GET", `/v1/fine_tuning/jobs/${id}`);
    return now.status === "succeeded" && now.fine_tuned_model;
  });
  await training.waitForSelector(`.job-list li:first-child:has-text("succeeded")`);
  await training.waitForSelector(`.job:has-text("${made}")`);
  await policies.waitForSelector(`.policy:has-text("${made}")`);
  await training.context().close();
  await policies.context().close();
});

test("the pages work while training runs", async ({ browser, daemon }) => {
  // 4,800 rows a thousand times over, one a step: still running whenever the pages have been seen
  const file = await daemon.upload("long.jsonl", Array.from({ length: 100 }, () => demonstrations).flat());
  const { id } = await daemon.call("POST", "/v1/fine_tuning/jobs", { model: "instruct", training_file: file,
    method: { type: "supervised", supervised: { hyperparameters: { ...quick(1000), batch_size: 1 } } } });
  const status = async () => (await daemon.call("GET", `/v1/fine_tuning/jobs/${id}`)).status;
  await until("the job to run", async () => (await status()) === "running");
  await makeTasks(daemon, "training.jsonl", 1);
  const playground = await openPlayground(browser, daemon.url);
  await ask(playground, "Are you there?");
  await answers(playground, 1);
  await playground.context().close();
  for (const [path, seen] of [["/label", ".likert"], ["/policies", ".policy-card"], ["/training", ".chart canvas"]]) {
    const page = await newPage(browser, daemon.url);
    await page.goto(`${daemon.url}${path}#key=${keyOf("boss")}`);
    await page.waitForSelector(seen);
    if (path === "/label") {
      await page.click("button:text-is('Skip')");
      await page.click("dialog .primary");
      await page.waitForSelector("text=No task is waiting");
    }
    if (path === "/training") {
      await until("a point of the serving gap", async () => {
        await daemon.call("POST", "/v1/completions", { prompt: "a", max_tokens: 50, ignore_eos: true });
        return page.$$eval(".chart", (all) => all.some((chart) =>
          chart.textContent.includes("serving gap") && Number(chart.dataset.points) > 0));
      });
    }
    expectClean(page);
    await page.context().close();
  }
  equal("the job", await status(), "running");
  await daemon.call("POST", `/v1/fine_tuning/jobs/${id}/cancel`);
  await until("its end", async () => (await status()) === "cancelled");
});
