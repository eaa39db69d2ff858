// Every page in light and dark, wide and at 360 pixels: no finding of axe, no sideways scroll; pictures
// stay in build/screenshots.
import { axeFindings, newPage, picture, sidewaysScroll } from "./browser.mjs";
import { keyOf } from "./daemon.mjs";
import { check, equal, test } from "./harness.mjs";
import { openDesk, openPart, startDesk, toxicityTask } from "./test_label.mjs";
import { englishLeft } from "./test_language.mjs";
import { ask, openPlayground, secondPolicy, withSettings } from "./test_playground.mjs";
import { openWithKey } from "./test_training.mjs";

const shapes = [
  { name: "wide", width: 1280, height: 860 },
  { name: "phone", width: 360, height: 740 },
];

async function look(page, name) {
  await page.waitForTimeout(150); // the last frame of what has just changed
  await picture(page, name);
  equal(`sideways scroll of ${name}`, await sidewaysScroll(page), 0);
  equal(`axe on ${name}`, await axeFindings(page), "");
}

const task = {
  id: "task_look", kind: "rank", prompt: "Name a river.", guideline_version: 1,
  criterion_mode: "helpfulness_first", lease_expires_at: 0,
  outputs: ["The Danube.", "Rivers are long, and there are many of them.", "Danube", "No."]
    .map((text, i) => ({ id: "abcd"[i], text })),
};

for (const shape of shapes)
  for (const colorScheme of ["light", "dark"]) {
    const options = { width: shape.width, height: shape.height, colorScheme };
    const name = (what) => `${what}-${shape.name}-${colorScheme}`;

    test(`the Playground, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      const settings = { numbers: { temperature: 0.7, max_tokens: 60, top_p: 1 }, alternatives: 5,
                         ignoreEos: true, seed: 11 };
      const page = await openPlayground(browser, daemon.url, settings, options);
      await look(page, name("playground-welcome"));
      await ask(page, "Good morning. How are you?");
      await page.waitForSelector(".token");
      await page.click(".token >> nth=3");
      await look(page, name("playground-tokens"));
      if (shape.name === "phone") {
        await page.click("[aria-label=Settings].icon-button");
        await look(page, name("playground-settings"));
      }
      await page.context().close();
    });

    test(`two policies side by side, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      await secondPolicy(daemon);
      const settings = { numbers: { temperature: 0.7, max_tokens: 60, top_p: 1 }, seed: 11 };
      const page = await newPage(browser, daemon.url, options);
      await page.addInitScript((given) => {
        localStorage.setItem("instructd.settings", JSON.stringify(given));
        localStorage.setItem("instructd.comparing", "true");
        localStorage.setItem("instructd.blind", "true");
      }, settings);
      await page.goto(daemon.url);
      await page.waitForSelector(".badge");
      await ask(page, "Good morning");
      await page.waitForFunction(() => document.querySelectorAll(".answer footer").length === 2);
      await look(page, name("playground-pair"));
      await page.context().close();
    });

    test(`training and policies, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      await secondPolicy(daemon);
      const training = await openWithKey(browser, daemon, "/training", options);
      await training.waitForSelector(".chart canvas");
      await look(training, name("training"));
      await training.click("text=New job");
      await look(training, name("training-new"));
      await training.keyboard.press("Escape");
      await training.click(".page header .chip:text-is('Data sets')");
      await training.waitForSelector(".datasets, .empty-note");
      await look(training, name("training-datasets"));
      await training.context().close();
      const policies = await openWithKey(browser, daemon, "/policies", options);
      await policies.waitForSelector(".policy-card");
      await look(policies, name("policies"));
      await policies.context().close();
    });

    test(`the labelling desk, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      const desk = await startDesk(daemon, [task]);
      const page = await openDesk(browser, desk, options);
      await page.waitForSelector(".likert");
      await page.keyboard.press("6");
      await look(page, name("label-rate"));
      for (const quality of [6, 3, 5, 2]) {
        await page.keyboard.press(String(quality));
        await page.keyboard.press("j");
      }
      await page.keyboard.press("Control+Enter");
      await page.selectOption("[aria-label='Row of output 1']", { value: "0" });
      await page.selectOption("[aria-label='Row of output 3']", { value: "0" });
      await page.selectOption("[aria-label='Row of output 2']", { value: "1" });
      await look(page, name("label-rank"));
      for (const [part, says] of [["demo", "Demonstrate"], ["mine", "My labels"], ["agreement", "Agreement"],
                                  ["tasks", "New tasks"]]) {
        await openPart(page, part, says);
        await look(page, name(`label-${says.toLowerCase().replace(" ", "-")}`));
      }
      await page.context().close();
      await desk.stop();
    });

    test(`a toxicity task, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      const desk = await startDesk(daemon, [toxicityTask("task_x", 4)]);
      const page = await openDesk(browser, desk, options);
      await page.click(".tabs >> text=Evaluate");
      await page.waitForSelector(".likert");
      for (const key of ["2", "-"]) await page.keyboard.press(key);
      await look(page, name("label-toxicity"));
      await page.click(".tabs >> text=Agreement");
      await page.click(".chips >> text=toxicity evaluation");
      await page.waitForSelector("caption");
      await look(page, name("label-toxicity-figures"));
      await page.context().close();
      await desk.stop();
    });
  }

/** What opens above a page: dialogs, drawers, the notice. */
for (const shape of shapes)
  for (const colorScheme of ["light", "dark"]) {
    const options = { width: shape.width, height: shape.height, colorScheme };
    const name = (what) => `${what}-${shape.name}-${colorScheme}`;

    test(`what opens above the Playground, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      const page = await newPage(browser, daemon.url, options);
      await withSettings(page, { numbers: { temperature: 0.7, max_tokens: 8, top_p: 1 }, seed: 11 });
      await page.goto(`${daemon.url}/#key=${keyOf("user")}`);
      await page.waitForSelector(".notice");
      await look(page, name("playground-notice"));
      for (const button of [".notice >> text=Share what I type", ".ideas button >> nth=0", "#draft"])
        await page.click(button, { trial: true }); // nothing lies above it
      await ask(page, "Good morning");
      await page.waitForSelector(".answer footer");
      await page.click(".answer .actions button >> nth=0", { trial: true });
      check((await page.locator(".chat").boundingBox()).height > 150, "there is room to read");
      const dialogs = { code: "[aria-label='View code']", help: "[aria-label=Help]",
                        key: "[aria-label='API key']", privacy: ".privacy button.link" };
      for (const [what, button] of Object.entries(dialogs)) {
        await page.click(button);
        await page.waitForSelector("dialog[open]");
        await look(page, name(`playground-${what}`));
        await page.click("dialog[open] [aria-label=Close]");
      }
      await page.click('.user [aria-label="Edit"]');
      await look(page, name("playground-edit"));
      if (shape.name === "phone") {
        await page.click("[aria-label=History].icon-button");
        await look(page, name("playground-history"));
        await page.click("aside.open >> text=Delete all");
      } else {
        await page.click("text=Delete all");
      }
      await page.waitForSelector("dialog[open] .question");
      await look(page, name("playground-question"));
      await page.context().close();
    });

    test(`what opens above the desk and training, ${shape.name}, ${colorScheme}`, async ({ browser, daemon }) => {
      const desk = await startDesk(daemon, [task]);
      const page = await openDesk(browser, desk, options);
      await page.waitForSelector(".likert");
      for (const [key, what] of [["s", "skip"], ["?", "help"]]) {
        await page.keyboard.press(key);
        await page.waitForSelector("dialog[open]");
        await look(page, name(`label-${what}`));
        await page.keyboard.press("Escape");
      }
      await page.click(".tabs >> text=Demonstrate");
      await page.selectOption("label:has-text('Kind of prompt') select", "few_shot");
      await look(page, name("label-few-shot"));
      await page.context().close();
      await desk.stop();
      const training = await openWithKey(browser, daemon, "/training", options);
      await training.click(".page header .chip:text-is('Data sets')");
      await training.click("text=New data set");
      await look(training, name("training-new-dataset"));
      await training.context().close();
    });
  }

test("no page in German says an English word, or is too wide for a phone", async ({ browser, daemon }) => {
  await secondPolicy(daemon);
  const options = { width: 360, height: 740, locale: "de-DE" };
  const lookGerman = async (page, what) => {
    await look(page, `${what}-phone-german`);
    equal(`English on ${what}`, await englishLeft(page), []);
  };
  const page = await newPage(browser, daemon.url, options);
  await withSettings(page, { numbers: { temperature: 0.7, max_tokens: 8, top_p: 1 }, alternatives: 5, seed: 11 });
  await page.goto(`${daemon.url}/#key=${keyOf("user")}`);
  await page.waitForSelector(".notice");
  await lookGerman(page, "playground-welcome");
  await ask(page, "Guten Morgen");
  await page.waitForSelector(".token");
  await page.click(".token");
  await lookGerman(page, "playground");
  await page.click("[aria-label=Einstellungen].icon-button");
  await lookGerman(page, "playground-settings");
  await page.context().close();
  for (const [path, seen] of [["/training", ".chart canvas"], ["/policies", ".policy-card"]]) {
    const other = await openWithKey(browser, daemon, path, options);
    await other.waitForSelector(seen);
    await lookGerman(other, path.slice(1));
    await other.context().close();
  }
  const desk = await startDesk(daemon, [task]);
  const label = await openDesk(browser, desk, options);
  await label.waitForSelector(".likert");
  await lookGerman(label, "label-rate");
  for (const quality of [6, 3, 5, 2]) {
    await label.keyboard.press(String(quality));
    await label.keyboard.press("j");
  }
  await label.keyboard.press("Control+Enter");
  await label.waitForSelector(".board");
  await lookGerman(label, "label-rank");
  for (const [part, says] of [["demo", "Vormachen"], ["mine", "Meine"], ["agreement", "Übereinstimmung"],
                              ["tasks", "Neue Aufgaben"]]) {
    await openPart(label, part, says);
    await lookGerman(label, `label-${says}`);
  }
  await label.context().close();
  await desk.stop();
});
