// npm run model -- smollm2|qwen05: fetches a pinned model file into the cache folder and prints its path.
import { readFile } from "node:fs/promises";
import { modelPath } from "./cache.mjs";
import { fetchModel } from "./fetch-model.mjs";

const models = JSON.parse(await readFile(new URL("./models.json", import.meta.url), "utf8"));
const [name = ""] = process.argv.slice(2);

if (!Object.hasOwn(models, name)) {
  const given = name === "" ? "none" : JSON.stringify(name);
  console.error(`Expected one of ${Object.keys(models).join(", ")}, got ${given}; run: npm run model -- smollm2`);
  process.exit(2);
}
try {
  console.log(await fetchModel(models[name], modelPath(name)));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
