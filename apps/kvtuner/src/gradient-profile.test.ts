import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvtunerError } from "@kvtuner/plan";
import type { StudyContents } from "@kvtuner/tuning";
import { expect, test } from "vitest";
import { writeTinyModel } from "../test/tiny-model.ts";
import { openModel } from "./model/open.ts";
import type { TuneOptions } from "./options.ts";
import { tune } from "./tune.ts";

type Profile = NonNullable<StudyContents["profile"]>;

const folder = (): string => mkdtempSync(join(tmpdir(), "kvtuner-gradient-"));

/** A random model predicts nothing, so errors of its cache are small in every mode. */
const text = Array.from({ length: 400 }, (_, index) => String.fromCodePoint(97 + ((index * index) % 26))).join("");

const study = (measure: "kl" | "gradient"): TuneOptions & { readonly out: string } => {
  const [model, out] = [join(folder(), "tiny.gguf"), join(folder(), "study")];
  writeTinyModel(model);
  const textFile = join(folder(), "text.txt");
  writeFileSync(textFile, text);
  const options = { samples: 2, sampleLength: 96, evaluations: 1, mode: "per-token" } as const;
  return { model, out, text: textFile, pairs: ["K8V8", "K4V4", "K2V4", "K4V2", "K2V2"], measure, ...options };
};

const profiled = async (options: TuneOptions & { readonly out: string }): Promise<Profile> => {
  await tune(options);
  return JSON.parse(readFileSync(join(options.out, "profile.json"), "utf8")) as Profile;
};

test("estimates agree with the KL of single layers", async () => {
  const [measured, estimated] = [await profiled(study("kl")), await profiled(study("gradient"))];
  const halves = estimated.layers.flatMap((layer) => layer.halves ?? []);
  const checked = halves.filter(({ kl }) => kl !== undefined);
  expect(checked.length).toBeGreaterThan(0);
  expect(checked.length).toBeLessThanOrEqual(8);
  const ratios = estimated.layers.map(({ candidates }, layer) =>
    candidates.map(({ estimate }, choice) => estimate! / measured.layers[layer]!.candidates[choice]!.kl!),
  );
  for (const ratio of ratios.flat()) expect(ratio).toBeGreaterThan(0.2);
  for (const ratio of ratios.flat()) expect(ratio).toBeLessThan(1.5);
  // Behind the last layer, no token's error reaches another: only the draws of labels are left.
  for (const ratio of ratios.at(-1)!) expect(Math.abs(ratio - 1)).toBeLessThan(0.25);
});

test("a killed study goes on from the gradients that it kept, and then removes them", async () => {
  const options = study("gradient");
  const onProgress = ({ note = "" }): void => {
    if (note.endsWith("layer 0 estimated")) throw new Error("killed");
  };
  await expect(tune({ ...options, onProgress })).rejects.toThrow("killed");
  const kept = readdirSync(options.out).filter((name) => name.startsWith("gradients"));
  expect(kept).toEqual(["gradients-0-0.bin", "gradients-1-0.bin", "gradients.json"]);
  // Without the journal's last line, the pass goes on; any other damage would start it again.
  const journal = join(options.out, "profile.jsonl");
  const lines = readFileSync(journal, "utf8").trimEnd().split("\n");
  writeFileSync(
    journal,
    lines
      .slice(0, -1)
      .map((line) => `${line}\n`)
      .join(""),
  );
  const resumed = await profiled(options);
  expect(readdirSync(options.out).filter((name) => name.startsWith("gradients"))).toEqual([]);
  const whole = await profiled(study("gradient"));
  expect(resumed.layers).toEqual(whole.layers);
});

test("an operator whose derivative is not known: layers are measured by default, and by name it is an error", async () => {
  const { model, measure: _, ...options } = study("gradient");
  const opened = await openModel(model as string, { progress: () => undefined, warn: () => undefined, offline: true });
  const gradients = async (): Promise<never> => {
    throw new KvtunerError("BACKWARD_UNSUPPORTED", "no derivative");
  };
  const odd = { ...options, model: { ...opened, gradients }, pairs: [...options.pairs!, "K8V4", "K4V8"], samples: 1 };
  const warnings: string[] = [];
  const profile = await profiled({ ...odd, onWarning: (warning) => void warnings.push(warning) });
  expect(warnings).toContain("measuring every layer, as --measure kl does: no derivative");
  expect(profile.layers.flatMap(({ candidates }) => candidates).every(({ kl }) => kl !== undefined)).toBe(true);
  const resumed = await tune(odd);
  expect(resumed.passes).toMatchObject({ search: resumed.evaluations, measuredCases: 3 * odd.pairs.length });
  const named = tune({ ...odd, out: join(folder(), "named"), measure: "gradient" });
  await expect(named).rejects.toMatchObject({ code: "BACKWARD_UNSUPPORTED" });
  await opened.dispose();
});
