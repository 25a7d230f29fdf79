import { fileURLToPath } from "node:url";
import type { Backend } from "@kvtuner/backend";
import { loadDecoder, loadTokenizer, openGguf } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { parseShorthand } from "@kvtuner/plan";
import { openRunner, type RunResult } from "kvtuner";
import { createSession } from "../src/model/session.ts";
import { evaluatorLogits, largestDifference, runtimeLogits } from "./runtime-logits.ts";

const model = fileURLToPath(embeddedModelUrl);
const text = "o4=5758;w3=1346;f9=6048;h5=8818;m3=8777;n6=9271;k1=2210;b7=4036;c2=9915;d8=3307;e5=7164;\n?m3=8777;?b7=";
const cuts = [70, 71, 72, 90];

/** Plans, with the largest error that float32 kernels may make of their logits. */
export const FLOAT32_CASES = [
  ["float32", "none", 1e-3],
  ["float32", "per-token:K4V4+recent8", 1e-3],
  ["float32", "kivi:K4V2+sinks4", 1e-3],
  ["float32", "compact:K3V3", 1e-3],
] as const;

/** Largest difference of the embedded model's logits from the evaluator's under a plan, beside the largest logit. */
export const logitsError = async (backend: Backend, plan: string): Promise<number> => {
  const source = await openFileSource(model);
  const gguf = await openGguf(source);
  const decoder = await loadDecoder(gguf, { createSession });
  const { layer } = parseShorthand(plan);
  const layers = Array.from({ length: decoder.shape.layers }, () => layer);
  const ids = loadTokenizer(gguf).encode(text);
  const expected = await evaluatorLogits(decoder, ids, layers);
  const cache = await backend.createCache(decoder.shape, { layers, shape: decoder.shape });
  const run = await runtimeLogits(decoder, cache, ids, cuts, expected);
  const largest = expected.logits.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
  await decoder.dispose();
  await source.close();
  return largestDifference(expected.logits, run.logits) / largest;
};

/** How the embedded model goes on with some prompts on the reference, and how on another backend. */
export const textsBesideReference = async (backend: Backend | string): Promise<Texts> => {
  const open = async (on: Backend | string) =>
    openRunner({ model, plan: "kivi:K8V4+sinks4", backend: on, weights: "exact" });
  const [reference, tested] = [await open("cpu-reference"), await open(backend)];
  const texts: Texts = { expected: [], got: [], tokens: 0 };
  for (const prompt of ["the rider walks to ", "The ", "a"]) {
    const expected = await reference.generate({ prompt, maxTokens: 200 });
    const got = await tested.generate({ prompt, maxTokens: 200 });
    texts.expected.push({ text: expected.text, cache: expected.cache, backend: nameOf(backend) });
    texts.got.push({ text: got.text, cache: got.cache, backend: got.backend });
    texts.tokens += expected.ids.length;
  }
  await reference.dispose();
  await tested.dispose();
  return texts;
};

const nameOf = (backend: Backend | string): string => (typeof backend === "string" ? backend : backend.name);

type Text = Pick<RunResult, "text" | "cache" | "backend">;

/** Of each prompt, and tokens in all. */
interface Texts {
  readonly expected: Text[];
  readonly got: Text[];
  tokens: number;
}
