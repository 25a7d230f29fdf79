// npm run model -- smollm2|qwen05|gemma3-270m [--verify]: fetches a pinned model file into the cache folder and prints its path.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { modelPath } from "./cache.mjs";
import { fetchModel } from "./fetch-model.mjs";

const models = JSON.parse(await readFile(new URL("./models.json", import.meta.url), "utf8"));

const main = async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { verify: { type: "boolean" } } });
  const [name] = positionals;
  if (positionals.length !== 1 || !Object.hasOwn(models, name))
    throw new Error(
      `Expected one of ${Object.keys(models).join(", ")}, got ${positionals.join(" ") || "none"}; run: npm run model -- smollm2`,
    );
  return fetchModel(models[name], modelPath(name), values);
};

try {
  console.log(await main());
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
