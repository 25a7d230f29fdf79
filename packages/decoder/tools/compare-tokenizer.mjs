// Compares this package's ids and texts of 2000 lines with those in a file of tokenizer-json-to-gguf.py. With a GGUF file,
// that file's metadata instead.
//
// Run in the root: node --conditions=@kvtuner/source --import ./tools/typescript-loader.mjs
//   packages/decoder/tools/compare-tokenizer.mjs comparison.json [model.gguf]
import { readFile } from "node:fs/promises";
import { openFileSource } from "../src/gguf/file-source.ts";
import { openGguf } from "../src/gguf/gguf.ts";
import { hashRows, sampleLines } from "../src/tokenizer/test-support/sample-lines.ts";
import { loadTokenizer } from "../src/tokenizer/tokenizer.ts";

const [path, model] = process.argv.slice(2);
const expected = JSON.parse(await readFile(path, "utf8"));
const file = model
  ? await openGguf(await openFileSource(model))
  : { metadata: new Map(Object.entries(expected.metadata)) };

const start = performance.now();
const tokenizer = loadTokenizer(file);
const loaded = performance.now();
const rows = sampleLines(2000, 16).map((line) => [...tokenizer.encode(line)]);
const encoded = performance.now();
const sameIds = rows.filter((row, index) => row.join() === expected.ids[index].join()).length;
const sameTexts = expected.ids.filter((row, index) => tokenizer.decode(row) === expected.texts[index]).length;
console.log(
  `${path}: ids of ${sameIds}, texts of ${sameTexts} of ${rows.length} lines equal; loaded in ${Math.round(loaded - start)} ms, encoded in ${Math.round(encoded - loaded)} ms; hash of the expected ids: ${hashRows(expected.ids, expected.ids.length).join()}`,
);
if (sameIds < rows.length || sameTexts < rows.length) process.exitCode = 1;
