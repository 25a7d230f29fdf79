import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FloatAttention, forward, loadDecoder, openGguf, type Decoder } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import type { Evaluator } from "@kvtuner/evaluation";
import { layerScheme, parsePair, parseShorthand, type LayerScheme, type Mode } from "@kvtuner/plan";
import { sampleRankCorrelation } from "simple-statistics";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModel, tune, type TunableModel } from "../src/index.ts";
import { kvtunerHome } from "../src/model/home.ts";
import { createSession } from "../src/model/session.ts";

/** An independent program's figures for this model and text; its protocol is written beside them. */
interface Reference {
  readonly basePerplexity: number;
  readonly uniform: Readonly<Record<string, { readonly kl: number }>>;
  readonly singleLayer: {
    readonly pairs: readonly string[];
    readonly layers: readonly number[];
    readonly kl: Readonly<Record<string, readonly (readonly number[])[]>>;
  };
  readonly vectors: {
    readonly ids: readonly number[];
    readonly logits: Readonly<Record<string, { readonly ids: readonly number[]; readonly values: readonly number[] }>>;
  };
}

const shared = process.env["KVTUNER_SHARED"];
const path = join(kvtunerHome(), "models", "smollm2.gguf");
const missing = [
  ...(shared === undefined ? ["KVTUNER_SHARED"] : []),
  ...(existsSync(path) ? [] : ["npm run model -- smollm2"]),
];
const LAYERS = 30;
const SAMPLE_LENGTH = 512;

const uniform = (shorthand: string): LayerScheme[] =>
  Array.from({ length: LAYERS }, () => parseShorthand(shorthand).layer);

/** A share of the reference's figure: 6% for uniform plans, 10% for single layers, 15% below 1e-3. */
const expectNear = (kl: number, expected: number, share: number): void => {
  expect(Math.abs(kl / expected - 1), `KL ${kl}, reference ${expected}`).toBeLessThan(expected < 1e-3 ? 0.15 : share);
};

describe.skipIf(missing.length > 0)(
  `SmolLM2 against the reference (needs ${missing.join(" and ") || "nothing"})`,
  () => {
    let reference: Reference;
    let model: TunableModel;
    let ids: Int32Array;
    const folder = mkdtempSync(join(tmpdir(), "kvtuner-smollm2-"));
    const textFile = (): string => join(shared ?? "", "data", "wikitext2_test.txt");
    const samples = (count: number): Int32Array[] =>
      Array.from({ length: count }, (_, sample) => ids.slice(sample * SAMPLE_LENGTH, (sample + 1) * SAMPLE_LENGTH));

    beforeAll(async () => {
      reference = JSON.parse(readFileSync(join(shared ?? "", "data", "oracle_smollm2.json"), "utf8"));
      model = await openModel("smollm2", { progress: () => undefined, warn: () => undefined });
      ids = model.encode(readFileSync(textFile(), "utf8").slice(0, 40_000));
    }, 120_000);

    afterAll(async () => {
      await model?.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    test("base logits at the listed positions, to 1e-3", { timeout: 300_000 }, async () => {
      const source = await openFileSource(path);
      const decoder: Decoder = await loadDecoder(await openGguf(source), { createSession });
      const positions = reference.vectors.ids.map((_, position) => position);
      const attention = new FloatAttention(decoder.shape, decoder.attention);
      const logits = await decoder.head(await forward(decoder, reference.vectors.ids, positions, attention));
      const data = logits.data as Float32Array;
      for (const [position, listed] of Object.entries(reference.vectors.logits))
        for (const [index, id] of listed.ids.entries()) {
          const logit = data[Number(position) * decoder.vocabularySize + id] ?? Number.NaN;
          expect(Math.abs(logit - (listed.values[index] ?? Number.NaN))).toBeLessThan(1e-3);
        }
      await decoder.dispose();
      await source.close();
    });

    test("perplexity and KL of uniform plans on eight samples", { timeout: 900_000 }, async () => {
      const evaluator = await model.evaluator(samples(8));
      expect(Math.abs((await evaluator.base()).perplexity - reference.basePerplexity)).toBeLessThan(0.05);
      const plans = {
        "a/K8V4": "per-token:K8V4",
        "c/K4V2": "kivi:K4V2",
        "c+sinks4/K8V8": "kivi:K8V8+sinks4",
      };
      const scores = await evaluator.evaluate(Object.values(plans).map(uniform));
      for (const [index, name] of Object.keys(plans).entries())
        expectNear(scores[index]?.kl ?? Number.NaN, reference.uniform[name]?.kl ?? Number.NaN, 0.06);
      await evaluator.dispose();
    });

    describe("on one sample", () => {
      const exact = parseShorthand("none").layer;
      let evaluator: Evaluator;

      beforeAll(async () => {
        evaluator = await model.evaluator(samples(1));
      });

      afterAll(() => evaluator?.dispose());

      test("single-layer KLs", { timeout: 600_000 }, async () => {
        // Each layer in both modes, and each pair in several layers.
        const cases = Object.entries({ a: "per-token", c: "kivi" } satisfies Record<string, Mode>).flatMap(
          ([name, mode], place) =>
            [0, 6, 12, 20, 28].map((layer, index) => ({
              name,
              mode,
              layer,
              pair: ["K8V4", "K4V2", "K2V4"][(place + index) % 3]!,
            })),
        );
        const plans = cases.map(({ mode, layer, pair }) =>
          Array.from({ length: LAYERS }, (_, index) => (index === layer ? layerScheme(mode, parsePair(pair)) : exact)),
        );
        const { layers, pairs, kl } = reference.singleLayer;
        const scores = await evaluator.evaluate(plans);
        expect(scores).toHaveLength(cases.length);
        for (const [index, score] of scores.entries()) {
          const { name, layer, pair } = cases[index] ?? { name: "", layer: -1, pair: "" };
          expectNear(score.kl, kl[name]?.[layers.indexOf(layer)]?.[pairs.indexOf(pair)] ?? Number.NaN, 0.1);
        }
      });

      test("a tuned plan beats uniform ones, and single layers rank plans", { timeout: 900_000 }, async () => {
        const text = join(folder, "other.txt");
        writeFileSync(text, readFileSync(textFile(), "utf8").slice(-8_000));
        const tuned = await tune({
          model,
          text,
          out: join(folder, "study"),
          mode: "kivi",
          pairs: ["K4V4", "K4V2", "K2V2"],
          samples: 1,
          sampleLength: 160,
          evaluations: 12,
          limit: { kind: "bits", bits: 4.1 },
        });
        const layersOf = (pairs: readonly string[]): LayerScheme[] =>
          pairs.map((pair) => layerScheme("kivi", parsePair(pair)));
        const [mixed, plain] = await evaluator.evaluate([layersOf(tuned.picked.pairs), uniform("kivi:K4V2")]);
        expect(tuned.picked.bits).toBeLessThanOrEqual(4.1);
        expect(mixed?.kl).toBeLessThan(0.75 * (plain?.kl ?? 0));

        const onTestText = await evaluator.evaluate(tuned.front.map(({ pairs }) => layersOf(pairs)));
        const order = sampleRankCorrelation(
          tuned.front.map(({ kl }) => kl),
          onTestText.map(({ kl }) => kl),
        );
        expect(order).toBeGreaterThan(0.95);
      });
    });
  },
);
