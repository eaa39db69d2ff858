// English and German: the catalogue is whole, and no page in German says an English word of it.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { check, equal, test } from "./harness.mjs";

const web = fileURLToPath(new URL("../../clients/web", import.meta.url));

/** The catalogue as a module; Vite's compiler takes the types off. */
async function readCatalogue() {
  const { transformSync } = createRequire(join(web, "package.json"))("esbuild");
  const source = readFileSync(join(web, "src/i18n/catalogue.ts"), "utf8");
  const { code } = transformSync(source, { loader: "ts", format: "esm" });
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).catalogue;
}

const valuesOf = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("each phrase stands in both languages, with the same values", async () => {
  for (const [name, texts] of Object.entries(await readCatalogue())) {
    equal(`languages of ${name}`, texts.length, 2);
    check(texts.every((text) => text.trim()), `${name} is empty`);
    equal(`values of ${name}`, valuesOf(texts[1]), valuesOf(texts[0]));
  }
});

test("each phrase is said somewhere", async () => {
  const files = readdirSync(join(web, "src"), { recursive: true })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith("catalogue.ts"));
  const sources = files.map((name) => readFileSync(join(web, "src", name), "utf8")).join("\n");
  const made = [...sources.matchAll(/`([a-z_]*)\$\{\w+(?:\.\w+)*\}([a-z_]*)`/g)];
  const said = (name) => new RegExp(`["]${name}["]`).test(sources) ||
    made.some(([, begin, end]) => begin && name.startsWith(begin) && name.endsWith(end));
  equal("phrases that nothing says", Object.keys(await readCatalogue()).filter((name) => !said(name)), []);
});

/** Texts of the page, its labels and titles included, that are the English of a phrase whose German is
 *  another. */
export async function englishLeft(page) {
  const catalogue = Object.values(await readCatalogue());
  const german = new Set(catalogue.map(([, text]) => text));
  const english = catalogue.map(([text]) => text)
    .filter((text) => !german.has(text) && !text.includes("{"));
  return page.evaluate((english) => {
    const known = new Set(english);
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ALL);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const texts = node.nodeType === Node.TEXT_NODE ? [node.data]
        : node.nodeType === Node.ELEMENT_NODE
          ? ["aria-label", "title", "placeholder"].map((name) => node.getAttribute(name) ?? "") : [];
      for (const text of texts) if (known.has(text.trim())) found.add(text.trim());
    }
    return [...found];
  }, english);
}
