import type { WeightSource } from "../architecture/weights.ts";
import type { SmallModel } from "./random-weights.ts";

/** A tensor inside the model. */
export type InnerTensor = "query" | "key" | "keyBeforeRope" | "value" | "output";

/** Replaces the rows of a tensor of a layer. */
export type Change = (tensor: InnerTensor, layer: number, rows: number[][]) => number[][];

/**
 * Logits of a whole sequence in double precision, one row per token, straight from the definition of the architecture.
 * Applies RoPE to llama rows in their stored, interleaved order, which tests the reordering too.
 *
 * @param change of tensors on the way; queries and keys of llama are in the stored order
 */
export const referenceLogits = async (
  source: WeightSource,
  model: SmallModel,
  ids: readonly number[],
  change: Change = (_tensor, _layer, tensorRows) => tensorRows,
): Promise<number[][]> => {
  const read = async (name: string): Promise<number[]> => [...(await source.readTensor(name))];
  const { hiddenSize, queryHeads, kvHeads, headSize } = model;
  const {
    "attention.scale": scale = 1 / Math.sqrt(headSize),
    "attention.sliding_window": span = Infinity,
    "attention.sliding_window_pattern": pattern = Infinity,
    attn_logit_softcapping: cap,
  } = (model.metadata ?? {}) as Readonly<Record<string, number | undefined>>;
  const embedding = await read("token_embd.weight");
  const rows = ids.map((id) => embedding.slice(id * hiddenSize, (id + 1) * hiddenSize));
  for (let layer = 0; layer < model.layers; layer++) {
    const name = (part: string): string => `blk.${layer}.${part}`;
    const linear = async (part: string, input: number[][]): Promise<number[][]> => {
      const weight = await read(`${name(part)}.weight`);
      const bias = source.tensors.has(`${name(part)}.bias`) ? await read(`${name(part)}.bias`) : undefined;
      return input.map((x) => multiply(weight, x, bias));
    };
    const norm = await read(name("attn_norm.weight"));
    const input = rows.map((x) => rmsNorm(x, norm));
    const sinks = model.hasSinks ? await read(name("attn_sinks.weight")) : undefined;
    const turn = (x: number[][]): number[][] => x.map((row, position) => rotate(row, position, model));
    const normed = async (part: string, x: number[][]): Promise<number[][]> => {
      if (model.architecture !== "qwen3") return x;
      const weight = await read(name(`${part}_norm.weight`));
      return x.map((row) =>
        Array.from({ length: row.length / headSize }, (_head, head) =>
          rmsNorm(row.slice(head * headSize, (head + 1) * headSize), weight),
        ).flat(),
      );
    };
    const unturned = change("keyBeforeRope", layer, await normed("attn_k", await linear("attn_k", input)));
    const [query, key, value] = [
      change("query", layer, turn(await normed("attn_q", await linear("attn_q", input)))),
      change("key", layer, turn(unturned)),
      change("value", layer, await linear("attn_v", input)),
    ];
    const mixed = rows.map((_, position) =>
      Array.from({ length: queryHeads }, (_head, head) => {
        const kvHead = Math.floor(head / (queryHeads / kvHeads));
        const of = (row: number[], index: number): number[] => row.slice(index * headSize, (index + 1) * headSize);
        const first = layer % pattern < pattern - 1 ? Math.max(0, position + 1 - span) : 0;
        const scores = key
          .slice(first, position + 1)
          .map((row) => scale * dot(of(row, kvHead), of(query[position]!, head)))
          .map((score) => (cap ? cap * Math.tanh(score / cap) : score));
        const weights = softmax(sinks ? [...scores, sinks[head]!] : scores).slice(0, scores.length);
        return Array.from({ length: headSize }, (_c, channel) =>
          weights.reduce((sum, weight, token) => sum + weight * value[first + token]![kvHead * headSize + channel]!, 0),
        );
      }).flat(),
    );
    (await linear("attn_output", change("output", layer, mixed))).forEach((x, row) => (rows[row] = add(rows[row]!, x)));
    const feedNorm = await read(name("ffn_norm.weight"));
    const feed = rows.map((x) => rmsNorm(x, feedNorm));
    const up = await linear("ffn_up", feed);
    const gated = (await linear("ffn_gate", feed)).map((x, row) =>
      x.map((g, i) => (g / (1 + Math.exp(-g))) * up[row]![i]!),
    );
    (await linear("ffn_down", gated)).forEach((x, row) => (rows[row] = add(rows[row]!, x)));
  }
  const norm = await read("output_norm.weight");
  const output = await read(model.tied ? "token_embd.weight" : "output.weight");
  return rows.map((x) => multiply(output, rmsNorm(x, norm)));
};

const rotate = (
  row: number[],
  position: number,
  { architecture, headSize, frequencyFactors, rope = {} }: SmallModel,
): number[] => {
  const scaled = rope["scaling.type"] === "none" ? 1 : Number(rope["scaling.factor"] ?? rope["scale_linear"] ?? 1);
  const base = Number(rope["freq_base"] ?? 10_000);
  const turned = [...row];
  const half = headSize / 2;
  for (let start = 0; start < row.length; start += headSize)
    for (let i = 0; i < half; i++) {
      const [a, b] = architecture === "llama" ? [start + 2 * i, start + 2 * i + 1] : [start + i, start + i + half];
      const angle = ((position / scaled) * base ** (-i / half)) / (frequencyFactors?.[i] ?? 1);
      turned[a] = row[a]! * Math.cos(angle) - row[b]! * Math.sin(angle);
      turned[b] = row[b]! * Math.cos(angle) + row[a]! * Math.sin(angle);
    }
  return turned;
};

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, index) => sum + x * b[index]!, 0);

const add = (a: readonly number[], b: readonly number[]): number[] => a.map((x, index) => x + b[index]!);

const multiply = (weight: readonly number[], x: readonly number[], bias?: readonly number[]): number[] =>
  Array.from(
    { length: weight.length / x.length },
    (_, row) => dot(weight.slice(row * x.length, (row + 1) * x.length), x) + (bias?.[row] ?? 0),
  );

const rmsNorm = (x: readonly number[], weight: readonly number[]): number[] => {
  const scale = 1 / Math.sqrt(dot(x, x) / x.length + 1e-5);
  return x.map((value, index) => value * scale * weight[index]!);
};

const softmax = (scores: readonly number[]): number[] => {
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
};
