import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StudyContents } from "@kvtuner/tuning";
import { expect, test } from "vitest";
import { writeTinyModel } from "../test/tiny-model.ts";
import { tune } from "./tune.ts";

type Profile = NonNullable<StudyContents["profile"]>;

const folder = (): string => mkdtempSync(join(tmpdir(), "kvtuner-gradient-"));

/** A random model predicts nothing, so errors of its cache are small in every mode. */
const text = Array.from({ length: 400 }, (_, index) => String.fromCodePoint(97 + ((index * index) % 26))).join("");

const profiled = async (measure: "kl" | "gradient"): Promise<Profile> => {
  const [model, out] = [join(folder(), "tiny.gguf"), join(folder(), "study")];
  writeTinyModel(model);
  const textFile = join(folder(), "text.txt");
  writeFileSync(textFile, text);
  const options = { samples: 2, sampleLength: 96, evaluations: 1, mode: "per-token" } as const;
  await tune({ model, out, text: textFile, pairs: ["K8V8", "K4V4", "K2V4", "K4V2", "K2V2"], measure, ...options });
  return JSON.parse(readFileSync(join(out, "profile.json"), "utf8")) as Profile;
};

test("estimates agree with the KL of single layers", async () => {
  const [measured, estimated] = [await profiled("kl"), await profiled("gradient")];
  const halves = estimated.layers.flatMap((layer) => layer.halves ?? []);
  const checked = halves.filter(({ kl }) => kl !== undefined);
  expect(checked.length).toBeGreaterThan(0);
  expect(checked.length).toBeLessThanOrEqual(6);
  const ratios = estimated.layers.map(({ candidates }, layer) =>
    candidates.map(({ estimate }, choice) => estimate! / measured.layers[layer]!.candidates[choice]!.kl!),
  );
  for (const ratio of ratios.flat()) expect(ratio).toBeGreaterThan(0.2);
  for (const ratio of ratios.flat()) expect(ratio).toBeLessThan(1.5);
  // Behind the last layer, no token's error reaches another: only the draws of labels are left.
  for (const ratio of ratios.at(-1)!) expect(Math.abs(ratio - 1)).toBeLessThan(0.25);
});
