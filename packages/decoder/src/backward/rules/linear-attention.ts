import type { NodeProto } from "onnx-buf";
import { floatOf, integerOf, textOf } from "../../onnx/attributes.ts";
import { node } from "../../onnx/graph.ts";
import { assertAttribute, assertInputs } from "../attribute-check.ts";
import { unsupported } from "../backward-error.ts";
import type { Call, InputRule, Rule } from "../rule.ts";
import { matrices } from "./matrices.ts";

/**
 * The gated delta rule. For each token `t` of a head, with the state `S`, `[keySize, valueSize]`:
 *
 *     S' = exp(decay_t) S
 *     u_t = rate_t (value_t - S'^T key_t)
 *     S = S' + key_t u_t^T
 *     output_t = scale S^T query_t
 *
 * All tokens are computed at once. What a token reads is a weighted sum of the `u` of tokens before it, and of the rows of the past
 * state, which count as the `u` of `keySize` earlier tokens with the keys of an identity matrix. The last state is what as many later
 * tokens read with such keys. So with readers `[key; scale query; identity]`, writers `[identity; key]` and the decays from a writer
 * to a reader,
 *
 *     [S'^T key; output; last state] = M [past state; u]    with M = (readers writers^T) * decays.
 *
 * `u` solves a triangular system. Memory grows with the square of the tokens: long texts are passed in pieces, from state to state.
 */
const linearAttention: Rule = (index) => (TENSORS[index] === undefined ? undefined : gradientOf(TENSORS[index]));

/** Inputs of the operator, in its order. */
const TENSORS = ["query", "key", "value", "past", "decay", "rate"] as const;

type Gradients = Readonly<Record<(typeof TENSORS)[number], string>>;

/** Emits all gradients at the first use of one. */
const gradientOf =
  (tensor: keyof Gradients): InputRule =>
  (call) => {
    const key = (name: string): string => `gradient of ${name} for ${call.output[0]!}`;
    return call.once(key(tensor), () => {
      const gradients = emitGradients(call, openHeads(call));
      for (const name of TENSORS) call.once(key(name), () => gradients[name]);
      return gradients[tensor];
    });
  };

/** Tensors of the operator, all `[1, batch, heads, ...]`: the first axis is that of cotangents. */
interface Heads extends Gradients {
  readonly heads: number;
  readonly keySize: number;
  readonly scale: number;
}

const openHeads = (call: Call): Heads => {
  const { node: one, input } = call;
  assertInputs(call, TENSORS.length);
  assertAttribute(call, "update_rule", textOf(one, "update_rule", "gated_delta"), "gated_delta");
  const heads = integerOf(one, "q_num_heads");
  assertAttribute(call, "kv_num_heads", integerOf(one, "kv_num_heads"), heads);
  if (TENSORS.some((_, index) => (input[index] ?? "") === "")) throw unsupported("LinearAttention without all inputs");
  const keySize = call.dims(input[3]!)[2];
  if (typeof keySize !== "number" || [4, 5].some((index) => call.dims(input[index]!)[2] !== heads))
    throw unsupported("LinearAttention with other decays and rates than one per head, or keys of unknown size");
  const [query, key, value, past, decay, rate] = input.map((name, index) => {
    const sample = call.emit("Unsqueeze", [name, call.integers([0])]);
    return index === 3 ? sample : headsFirst(call, sample, heads);
  }) as [string, string, string, string, string, string];
  const scale = floatOf(one, "scale", 0) || 1 / Math.sqrt(keySize);
  return { query, key, value, past, decay, rate, heads, keySize, scale };
};

/** `[samples, batch, tokens, heads * size]` as `[samples, batch, heads, tokens, size]`. */
const headsFirst = (call: Call, tensor: string, heads: number): string =>
  swapped(call, call.emit("Reshape", [tensor, call.integers([0, 0, 0, heads, -1])]));

/** Undoes it. */
const headsLast = (call: Call, tensor: string): string =>
  call.emit("Reshape", [swapped(call, tensor), call.integers([0, 0, 0, -1])]);

const swapped = (call: Call, tensor: string): string => call.emit("Transpose", [tensor], { perm: [0, 1, 3, 2, 4] });

const emitGradients = (call: Call, given: Heads): Gradients => {
  const { key, value, past, rate, keySize, heads, scale } = given;
  const { add, sub, mul, neg, matMul, transposed, stacked, rows, columns, sum } = matrices(call);
  const tokens = call.emit("Shape", [key], { start: 3, end: 4 });
  const [none, first, twice, end] = [
    call.integers([0]),
    call.integers([keySize]),
    call.emit("Add", [tokens, tokens]),
    call.integers([END]),
  ];
  const unit = identity(call, past, keySize);
  const readers = stacked(key, mul(given.query, call.number(scale)), unit);
  const writers = stacked(unit, key);
  const decays = decaysBetween(call, given, tokens);
  const weights = mul(matMul(readers, transposed(writers)), decays);
  const ofKeys = rows(weights, none, tokens);
  const solution = inverse(call, mul(rate, columns(ofKeys, first, end)), tokens);
  const fromPast = matMul(columns(ofKeys, none, first), past);
  const written = stacked(past, matMul(solution, mul(rate, sub(value, fromPast))));
  const missed = sub(value, matMul(ofKeys, written));

  const known = stacked(headsFirst(call, call.cotangent(), heads), call.cotangent(1));
  const ofWritten = matMul(transposed(rows(weights, tokens, end)), known);
  const ofMissed = matMul(transposed(solution), rows(ofWritten, first, end));
  const ofValue = mul(rate, ofMissed);
  const cotangent = stacked(neg(ofValue), known);
  const ofWeights = matMul(cotangent, transposed(written));
  const ofProducts = mul(ofWeights, decays);
  const ofReaders = matMul(ofProducts, writers);
  const ofWriters = matMul(transposed(ofProducts), readers);
  const ofLogs = mul(ofWeights, weights);
  const byReader = sum(ofLogs, -1);
  const byWriter = rows(transposed(sum(ofLogs, -2)), first, end);
  const byToken = sub(add(rows(byReader, none, tokens), rows(byReader, tokens, twice)), byWriter);
  const later = call.emit("CumSum", [byToken, call.integers([3])], { reverse: 1 });
  return {
    query: headsLast(call, mul(rows(ofReaders, tokens, twice), call.number(scale))),
    key: headsLast(call, add(rows(ofReaders, none, tokens), rows(ofWriters, first, end))),
    value: headsLast(call, ofValue),
    past: rows(matMul(transposed(weights), cotangent), none, first),
    decay: headsLast(call, add(later, sum(rows(byReader, twice, end), -2))),
    rate: headsLast(call, sum(mul(ofMissed, missed), -1)),
  };
};

/** Beyond the end of every axis. */
const END = 2 ** 31 - 1;

/** `[1, batch, heads, size, size]` */
const identity = (call: Call, past: string, size: number): string => {
  const one = call.emit("EyeLike", [call.emit("Expand", [call.number(0), call.integers([size, size])])]);
  return call.emit("Expand", [one, sizesOf(call, past, [size, size])]);
};

/** The first three sizes of a tensor, then others. */
const sizesOf = (call: Call, tensor: string, others: readonly number[]): string =>
  call.emit("Concat", [call.emit("Shape", [tensor], { start: 0, end: 3 }), call.integers(others)], { axis: 0 });

/** What remains of each writer's value at each reader: 0 of later writers, `[..., 2 * tokens + keySize, keySize + tokens]`. */
const decaysBetween = (call: Call, { decay, past, keySize }: Heads, tokens: string): string => {
  const { stacked, sub, rows, transposed } = matrices(call);
  const sums = call.emit("CumSum", [decay, call.integers([3])]);
  const column = sizesOf(call, past, [keySize, 1]);
  const total = call.emit("Expand", [rows(sums, call.integers([-1]), call.integers([END])), column]);
  const ofPast = call.emit("Expand", [call.number(0), column]);
  const between = sub(stacked(sums, sums, total), transposed(stacked(ofPast, sums)));
  // Those of later writers may be large.
  return call.emit("Exp", [call.emit("Where", [isEarlier(call, keySize, tokens), between, call.number(-Infinity)])]);
};

/** Whether a reader reads a writer: a key those before it, a query also its own token's, the last state all. */
const isEarlier = (call: Call, keySize: number, tokens: string): string => {
  const places = placesOf(call, tokens);
  const repeated = (value: string): string => call.emit("Expand", [value, call.integers([keySize])]);
  const writers = call.emit("Concat", [repeated(call.integers([-1])), places], { axis: 0 });
  const before = call.emit("Sub", [places, call.integers([1])]);
  const readers = call.emit("Concat", [before, places, repeated(tokens)], { axis: 0 });
  return call.emit("GreaterOrEqual", [call.emit("Unsqueeze", [readers, call.integers([1])]), writers]);
};

/** 0, 1, ..., int64 `[tokens]`. */
const placesOf = (call: Call, tokens: string): string => {
  const scalar = (value: number): string => call.emit("Squeeze", [call.integers([value])]);
  return call.emit("Range", [scalar(0), call.emit("Squeeze", [tokens]), scalar(1)]);
};

/** Sizes of blocks. Texts are shorter than the largest. */
const BLOCKS = Array.from({ length: 20 }, (_, level) => 2 ** level);

/**
 * `(1 + below)^-1` of a matrix with zeros on and above the diagonal. The inverse of the blocks on the diagonal gives that of blocks
 * of twice the size, `X - X C X` with `C` what the larger blocks add. A power series would have large terms of alternating sign.
 */
const inverse = (call: Call, below: string, tokens: string): string => {
  const own = (name: string): string => `${call.output[0]!}_inverse_${name}`;
  const places = call.emit("Unsqueeze", [placesOf(call, tokens), call.integers([1])]);
  const block = (size: string, name: string): NodeProto[] => [
    node("Div", [places, size], [own(`${name}_block`)]),
    node("Transpose", [own(`${name}_block`)], [own(`${name}_other`)], { perm: [1, 0] }),
    node("Equal", [own(`${name}_block`), own(`${name}_other`)], [own(`${name}_within`)]),
  ];
  const nodes = [
    node("Mul", [own("size"), call.integers([2])], [own("twice")]),
    ...block(own("size"), "small"),
    ...block(own("twice"), "large"),
    node("Xor", [own("small_within"), own("large_within")], [own("added")]),
    node("Where", [own("added"), below, call.number(0)], [own("between")]),
    node("MatMul", [own("before"), own("between")], [own("left")]),
    node("MatMul", [own("left"), own("before")], [own("change")]),
    node("Sub", [own("before"), own("change")], [own("after")]),
  ];
  const square = ["before", "after"].map((name) => ({
    name: own(name),
    dims: Array.from({ length: 5 }, (_, axis) => own(`${name}_${axis}`)),
  }));
  const inputs = [square[0]!, { name: own("size"), type: "int64" as const, dims: [] }];
  const body = { branch: { name: own("body"), inputs, outputs: [square[1]!], nodes } };
  return call.emit("Scan", [unitOf(call, below), blocksBelow(call, tokens)], { num_scan_inputs: 1, body });
};

/** Ones on the diagonal of matrices of a tensor's sizes. */
const unitOf = (call: Call, below: string): string => {
  const sizes = call.emit("Shape", [below]);
  const square = call.emit("Slice", [sizes, call.integers([3]), call.integers([5])]);
  return call.emit("Expand", [call.emit("EyeLike", [call.emit("Expand", [call.number(0), square])]), sizes]);
};

/** The sizes of blocks up to the number of tokens, int64. */
const blocksBelow = (call: Call, tokens: string): string => {
  const sizes = call.integers(BLOCKS);
  return call.emit("Compress", [sizes, call.emit("LessOrEqual", [sizes, tokens])], { axis: 0 });
};

/** Attention of recurrent layers. */
export const linearAttentionRules: Readonly<Record<string, Rule>> = { LinearAttention: linearAttention };
