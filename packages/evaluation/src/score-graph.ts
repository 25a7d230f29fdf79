import { type Graph, integers, node, scalar } from "@kvtuner/decoder";

/** Exponents are clipped here, far above any difference of logits in a working model, to prevent overflow. */
const MAX_EXPONENT = 80;

/** Float32 logits `[rows, vocabulary]` to log-probabilities. */
export const logProbabilityGraph = (vocabulary: number): Graph => ({
  name: "log_probability",
  inputs: [{ name: "logits", dims: ["rows", vocabulary] }],
  outputs: [{ name: "log_probability", dims: ["rows", vocabulary] }],
  nodes: [node("LogSoftmax", ["logits"], ["log_probability"], { axis: -1 })],
  constants: [],
});

/**
 * A row's divergence, computed without cancellation. With `p` the base's probabilities, `d = logits - log p`,
 * `mean = sum p d` and `u = d - mean`: `excess = sum p (e^u - 1 - u)`, where every term is at least 0. Then
 * KL(base || plan) = log(1 + excess), and the plan's log-sum-exp is `mean + KL`. Also returns `best`, the row's largest logit.
 */
export const scoreGraph = (vocabulary: number): Graph => ({
  name: "score",
  inputs: ["logits", "base"].map((name) => ({ name, dims: ["rows", vocabulary] })),
  outputs: [
    { name: "mean", dims: ["rows", 1] },
    { name: "excess", dims: ["rows", 1] },
    { name: "best", type: "int64", dims: ["rows"] },
  ],
  nodes: [
    node("Exp", ["base"], ["probability"]),
    node("Sub", ["logits", "base"], ["difference"]),
    node("Mul", ["probability", "difference"], ["weighted"]),
    node("ReduceSum", ["weighted", "last_axis"], ["mean"], { keepdims: 1 }),
    node("Sub", ["difference", "mean"], ["centred"]),
    node("Clip", ["centred", "", "max_exponent"], ["exponent"]),
    node("Exp", ["exponent"], ["ratio"]),
    node("Sub", ["ratio", "exponent"], ["beyond_linear"]),
    node("Sub", ["beyond_linear", "one"], ["beyond_linear_from_one"]),
    node("Mul", ["beyond_linear_from_one", "probability"], ["excess_terms"]),
    node("ReduceSum", ["excess_terms", "last_axis"], ["excess"], { keepdims: 1 }),
    node("ArgMax", ["logits"], ["best"], { axis: -1, keepdims: 0 }),
  ],
  constants: [integers("last_axis", [-1]), scalar("max_exponent", MAX_EXPONENT), scalar("one", 1)],
});
