// The loop that the product exists for, by hand in the browser: prompts typed with consent, ranked by
// three labelers, a data set built of that, a reward model and PPO started from the page, published; and
// the Playground answers with what was learned.
import { readFileSync } from "node:fs";
import { newPage, picture } from "./browser.mjs";
import { keyOf } from "./daemon.mjs";
import { check, equal, test, until } from "./harness.mjs";
import { ask, withSettings } from "./test_playground.mjs";

const prompts = ["Name a river.", "Say good night in two words.", "Which month follows May?"];
const labelers = ["anna", "bert", "cleo"];

async function openAs(browser, daemon, who, path) {
  const page = await newPage(browser, daemon.url);
  await withSettings(page, { numbers: { temperature: 1, max_tokens: 8, top_p: 1 } });
  await page.goto(`${daemon.url}${path}#key=${keyOf(who)}`);
  return page;
}

/** Sends all prompts with consent; the page stays open. */
async function typePrompts(browser, daemon) {
  const page = await openAs(browser, daemon, "user", "/");
  await page.click(".notice >> text=Share what I type");
  await page.waitForSelector(".notice", { state: "detached" });
  for (const prompt of prompts) {
    await page.click("text=New conversation");
    await ask(page, prompt);
    await page.waitForSelector(".answer footer");
  }
  return page;
}

async function makeTasks(browser, daemon) {
  const page = await openAs(browser, daemon, "boss", "/label");
  await page.click(".tabs >> text=New tasks");
  await page.fill("label:has-text('Labelers a task') input", String(labelers.length));
  await page.click("text=Make tasks");
  await page.waitForSelector(`.toast:has-text("Made: ${prompts.length}")`);
  await page.context().close();
}

/** Ranks what is waiting, by keys, in the order of the outputs' ids, which is the same for everybody. */
async function rankAll(browser, daemon, who) {
  const page = await openAs(browser, daemon, who, "/label");
  for (let done = 0; done < prompts.length; done++) {
    await until("a task", async () => {
      if (await page.$(".likert")) return true;
      await page.click("text=Try again", { timeout: 500 }).catch(() => undefined);
      return false;
    });
    for (const quality of [4, 4, 4, 4]) {
      await page.keyboard.press(String(quality));
      await page.keyboard.press("j");
    }
    await page.keyboard.press("Control+Enter");
    await page.waitForSelector(".board");
    const ids = await page.$$eval(".rank-card", (cards) => cards.map((card) => card.dataset.card));
    for (const [row, card] of ids.sort().entries()) {
      await page.focus(`[data-card="${card}"]`);
      await page.keyboard.press(String(row + 1));
    }
    const sent = page.waitForResponse((r) => r.url().endsWith("/v1/labels/rankings"));
    await page.keyboard.press("Control+Enter");
    equal("status of a ranking", (await sent).status(), 201);
    await page.waitForSelector(".board", { state: "detached" });
  }
  await page.click(".tabs >> text=My labels");
  await until("one's own labels", async () => (await page.$$(".own tbody tr")).length === prompts.length);
  const own = await page.textContent(".own tbody");
  check(prompts.every((prompt) => own.includes(prompt)) && own.includes("4 outputs on 4 ranks"), own);
  await page.context().close();
}

/** Builds a data set from the form; its training file. */
async function build(page, kind) {
  await page.click(".page header .chip:text-is('Data sets')");
  await page.click("text=New data set");
  await page.fill("dialog label:has-text('Name') input", `loop-${kind}`);
  await page.selectOption("dialog select", kind);
  await page.fill("dialog label:has(span:text-is('train')) input", "1");
  await page.fill("dialog label:has(span:text-is('valid')) input", "0");
  const sent = page.waitForResponse((r) => r.url().endsWith("/v1/datasets") &&
                                           r.request().method() === "POST");
  await page.click("dialog .primary");
  const made = await (await sent).json();
  check(made.files?.train, `no data set of kind ${kind}: ${JSON.stringify(made.error)}`);
  await page.waitForSelector(`.dataset h2:text-is("loop-${kind}")`);
  await picture(page, `training-dataset-${kind}`);
  if (kind === "rm") {
    const saving = page.waitForEvent("download");
    await page.click(`.dataset:has(h2:text-is("loop-rm")) .chip:text-is("trl_reward")`);
    const saved = await saving;
    equal("the export's name", saved.suggestedFilename(), "loop-rm.trl_reward.jsonl");
    const rows = readFileSync(await saved.path(), "utf8").trim().split("\n").map(JSON.parse);
    // three prompts, each ranked by three people: six pairs of four outputs without ties
    equal("pairs", [rows.length, Object.keys(rows[0]).sort()], [3 * 3 * 6, ["chosen", "prompt", "rejected"]]);
  }
  await page.click(".page header .chip:text-is('Jobs')");
  return made.files.train;
}

/** Starts a job from the form, and gives its policy once it has succeeded and the page has drawn its curves. */
async function train(page, daemon, method, file, fields, curves, publish) {
  await page.reload();
  await page.click("text=New job");
  await page.selectOption("dialog select >> nth=0", method);
  await page.selectOption("dialog >> label:has-text('training_file') >> select", { value: file });
  await page.click("dialog summary");
  for (const [name, value] of Object.entries(fields))
    await page.fill(`dialog label:has(span:text-matches("^${name}( \\\\*)?$")) input`, String(value));
  if (publish) await page.fill("dialog label:has-text('Publish as') input", publish);
  const sent = page.waitForResponse((r) => r.url().endsWith("/v1/fine_tuning/jobs") &&
                                           r.request().method() === "POST");
  await page.click("dialog .primary");
  const { id, error } = await (await sent).json();
  check(id, `${method} did not start: ${JSON.stringify(error)}`);
  const job = await until(`${method} to end`, async () => {
    const now = await daemon.call("GET", `/v1/fine_tuning/jobs/${id}`);
    return ["succeeded", "failed", "cancelled"].includes(now.status) && now;
  });
  equal(`${method} (${job.error?.message ?? ""})`, job.status, "succeeded");
  await page.waitForSelector(`.job header .tag:text-is("succeeded")`);
  for (const curve of curves)
    await until(`a point of ${curve}`, () => page.$$eval(".chart", (all, curve) => all.some((chart) =>
      chart.querySelector("figcaption span").textContent === curve && Number(chart.dataset.points) > 0), curve));
  return job.fine_tuned_model;
}

test("prompts become rankings, rankings a reward model, PPO a policy, and the Playground answers with it",
     async ({ browser, daemon }) => {
  const playground = await typePrompts(browser, daemon);
  await makeTasks(browser, daemon);
  for (const who of labelers) await rankAll(browser, daemon, who);
  const { overall } = await daemon.call("GET", "/v1/labels/agreement");
  equal("agreement of labelers who all rank by id", overall.agreement, 1);
  const page = await openAs(browser, daemon, "boss", "/training");
  const judge = await train(page, daemon, "reward_model", await build(page, "rm"),
    { n_epochs: 1, batch_size: 4, learning_rate: 0.0001 }, ["loss", "rm_accuracy"]);
  const learned = await train(page, daemon, "ppo", await build(page, "ppo"), {
    reward_model: judge, episodes: 16, batch_size: 8, minibatch_size: 4, max_response_tokens: 8,
    ptx_coef: 0, learning_rate: 0.0001,
  }, ["reward", "kl", "value_loss", "rm_score", "tokens_per_second"], "instruct");
  await page.context().close();

  await playground.waitForSelector(`.badge:has-text("${learned}")`);
  await playground.click("text=New conversation");
  await ask(playground, prompts[0]);
  await playground.waitForSelector(`.figures:has-text("${learned}")`);
  await playground.click(".badge");
  await playground.waitForSelector(`.policy-card h2:text-is("${learned}")`);
  check((await playground.textContent(".policy-card")).includes(judge), "its judge is named");
  await playground.waitForSelector(".canvas path.reward", { state: "attached" });
  await playground.context().close();
});
