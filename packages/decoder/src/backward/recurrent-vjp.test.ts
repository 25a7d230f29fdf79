import { type InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import type { Tensors } from "../run-into.ts";
import { MIXED, pastOf, presentOf } from "../segments/mixers/mixer-ports.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { noise } from "../test-support/noise.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { cotangentName, gradientName } from "./differentiate.ts";
import { rowsOf, runRecurrent } from "./recurrent-layers.ts";
import { runRecurrentVjp } from "./recurrent-vjp.ts";
import { openVjp } from "./vjp-model.ts";

const createSession = oneThreadSession;

/** More than two pieces. */
const TOKENS = 290;
const SAMPLES = 2;
const CROSSING = ["hidden", "attention"];

const random = (name: string, size: number): Float32Array => Float32Array.from({ length: size }, noise(name));

const difference = (one: Float32Array, other: Float32Array): number =>
  Math.sqrt(
    one.reduce((sum, x, index) => sum + (x - other[index]!) ** 2, 0) / other.reduce((sum, x) => sum + x * x, 0),
  );

test.each([
  ["lfm2", 1],
  ["qwen35", 1],
])("pieces of a long text give the outputs and gradients of the whole: %s, layer %i", async (family, layer) => {
  const gguf = familyGguf(familyModel(family));
  const decoder = await loadDecoder(await openGguf(bufferSource(gguf)), { createSession });
  const start = decoder.createState();
  const past = start.past(layer);
  const model = await decoder.segments.before(layer);
  const inputs = [...CROSSING, ...start.names.map(pastOf)];
  const session = await openVjp(model, createSession, { inputs, known: ["residual"] });

  const first = await decoder.segments.run(0, { hidden: embedded(decoder.config.hiddenSize), ...start.past(0) });
  const crossing = {
    hidden: random("hidden", TOKENS * decoder.config.hiddenSize),
    attention: random("attention", first[MIXED]!.size),
  };
  const tensors = {
    hidden: rowsOf(crossing.hidden, TOKENS, 0, TOKENS),
    attention: rowsOf(crossing.attention, TOKENS, 0, TOKENS),
  };
  const whole = await decoder.segments.run(layer, { ...tensors, ...past });
  const pieces = await runRecurrent(decoder, layer, crossing, TOKENS);
  expect(difference(pieces.hidden, whole["residual"]!.data as Float32Array)).toBeLessThan(1e-5);
  expect(difference(pieces.attention, whole[MIXED]!.data as Float32Array)).toBeLessThan(1e-5);

  const feeds = { ...tensors, residual: whole["residual"]! };
  const cotangents = Object.fromEntries(
    ["residual", MIXED].map((name) => {
      const width = whole[name]!.dims[1]!;
      return [name, { samples: SAMPLES, rows: TOKENS, width, data: random(name, SAMPLES * TOKENS * width) }];
    }),
  );
  const gradients = await runRecurrentVjp(
    session,
    { feeds, cotangents, start, layer, states: pieces.states },
    CROSSING,
  );
  const expected = await session.run(only(session, { ...feeds, ...past, ...atOnce(cotangents), ...zeros(past) }));
  for (const name of CROSSING)
    expect(difference(gradients[name]!.data, expected[gradientName(name)]!.data as Float32Array)).toBeLessThan(1e-5);
  await session.release();
  await decoder.dispose();
});

const embedded = (width: number): Tensor => new Tensor("float32", random("embedded", TOKENS * width), [TOKENS, width]);

const only = ({ inputNames }: InferenceSession, feeds: Tensors): Tensors =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => inputNames.includes(name)));

const atOnce = (
  cotangents: Readonly<Record<string, { readonly data: Float32Array; readonly width: number }>>,
): Tensors =>
  Object.fromEntries(
    Object.entries(cotangents).map(([name, { data, width }]) => [
      cotangentName(name),
      new Tensor("float32", data, [SAMPLES, TOKENS, width]),
    ]),
  );

/** Cotangents of the last state. */
const zeros = (past: Tensors): Tensors =>
  Object.fromEntries(
    Object.entries(past).map(([name, { size, dims }]) => [
      cotangentName(name.replace(pastOf(""), presentOf(""))),
      new Tensor("float32", new Float32Array(SAMPLES * size), [SAMPLES, ...dims]),
    ]),
  );
