import type { NodeProto } from "onnx-buf";
import type { DecoderConfig } from "../architecture/config.ts";
import type { ExpertWeights, GatedWeights } from "../architecture/weights.ts";
import { type Branch, type Constant, DATA_TYPE, integers, node } from "../onnx/graph.ts";
import { gated } from "./gated.ts";
import { type Arithmetic, join, linear, type Part } from "./linear.ts";

/**
 * Experts of a layer, each in a branch that runs only if the router chose it for some row, on those rows.
 *
 * A place is one of the `rows * used` choices. Branches output their rows and the places of these; all outputs together
 * hold each place once, and are put in the order of the places and weighted.
 *
 * @param routerInput what the router reads; `input` by default
 */
export const experts = (
  input: string,
  output: string,
  weights: ExpertWeights,
  { hiddenSize }: Pick<DecoderConfig, "hiddenSize">,
  arithmetic: Arithmetic,
  routerInput: string = input,
): Part =>
  join([
    linear("router", routerInput, "routed", weights.router, arithmetic),
    CONSTANTS,
    choices(weights),
    ...weights.each.map((expert, index) => branches(input, index, expert, hiddenSize, arithmetic)),
    weighted(weights.shared ? "mixed" : output, weights, hiddenSize),
    ...(weights.shared ? [shared(input, "mixed", output, weights.shared, arithmetic)] : []),
  ]);

/** A tensor `name` of one integer, without dimensions. */
const integer = (name: string, value: number): Constant => ({ name, dims: [], data: BigInt64Array.of(BigInt(value)) });

const CONSTANTS: Part = {
  nodes: [],
  constants: [
    integers("first_axis", [0]),
    integers("second_axis", [1]),
    integers("flat", [-1]),
    integer("zero", 0),
    integer("one", 1),
  ],
};

/** `chosen` experts of all places with their `shares`, and for each expert whether it `is_used_INDEX`. */
const choices = ({ used, each, softmaxOf, scales }: ExpertWeights): Part => {
  const shares = scales ? "unscaled_shares" : "shares";
  const flags = each.map((_, index) => `is_used_${index}`);
  return {
    nodes: [
      ...(softmaxOf === "all"
        ? [softmax("routed", "all_shares"), top("all_shares", shares)]
        : [top("routed", "top"), softmax("top", shares)]),
      ...(scales
        ? [
            node("Gather", ["expert_scales", "top_experts"], ["chosen_scales"], { axis: 0 }),
            node("Mul", [shares, "chosen_scales"], ["shares"]),
          ]
        : []),
      node("Reshape", ["top_experts", "flat"], ["chosen"]),
      node("Unsqueeze", ["chosen", "second_axis"], ["chosen_column"]),
      node("Equal", ["chosen_column", "all_experts"], ["is_chosen"]),
      node("Cast", ["is_chosen"], ["is_chosen_number"], { to: DATA_TYPE.int32 }),
      node("ReduceMax", ["is_chosen_number", "first_axis"], ["is_used_number"], { keepdims: 0 }),
      node("Cast", ["is_used_number"], ["is_used"], { to: DATA_TYPE.bool }),
      node("Split", ["is_used"], flags, { axis: 0, num_outputs: each.length }),
    ],
    constants: [
      ...(scales ? [{ name: "expert_scales", dims: [scales.length], data: scales }] : []),
      integers("used_count", [used]),
      integer("used", used),
      integers(
        "all_experts",
        each.map((_, index) => index),
      ),
    ],
  };
};

const softmax = (input: string, output: string): NodeProto => node("Softmax", [input], [output], { axis: -1 });

/** The largest numbers of rows, and whose they are, `top_experts`. */
const top = (input: string, output: string): NodeProto =>
  node("TopK", [input, "used_count"], [output, "top_experts"], { axis: -1 });

/** One expert: its rows `expert_INDEX_rows` and their places `expert_INDEX_places`, both empty if it is not used. */
const branches = (
  input: string,
  index: number,
  expert: GatedWeights,
  hiddenSize: number,
  arithmetic: Arithmetic,
): Part => {
  const name = (part: string): string => `expert_${index}_${part}`;
  const network = gated(name(""), name("input"), name("output"), expert, arithmetic);
  const nodes: NodeProto[] = [
    node("Equal", ["chosen", name("index")], [name("is_here")]),
    node("NonZero", [name("is_here")], [name("here")]),
    node("Reshape", [name("here"), "flat"], [name("here_places")]),
    node("Div", [name("here_places"), "used"], [name("here_rows")]),
    node("Gather", [input, name("here_rows")], [name("input")], { axis: 0 }),
    ...network.nodes,
  ];
  const idle = [
    node("Identity", ["no_rows"], [name("idle_rows")]),
    node("Identity", ["no_places"], [name("idle_places")]),
  ];
  const choice = {
    then_branch: { branch: branch(name("busy"), nodes, name("output"), name("here_places"), hiddenSize) },
    else_branch: { branch: branch(name("idle"), idle, name("idle_rows"), name("idle_places"), hiddenSize) },
  };
  return {
    nodes: [node("If", [`is_used_${index}`], [name("rows"), name("places")], choice)],
    constants: [
      ...network.constants,
      integer(name("index"), index),
      { name: "no_rows", dims: [0, hiddenSize], data: new Float32Array(0) },
      integers("no_places", []),
    ],
  };
};

const branch = (
  name: string,
  nodes: readonly NodeProto[],
  rows: string,
  places: string,
  hiddenSize: number,
): Branch => ({
  name,
  nodes,
  outputs: [
    { name: rows, dims: [`${name}_count`, hiddenSize] },
    { name: places, type: "int64", dims: [`${name}_count`] },
  ],
});

/** Sum of each row's experts, by their shares. */
const weighted = (output: string, { used, each }: ExpertWeights, hiddenSize: number): Part => {
  const all = (part: string): string[] => each.map((_, index) => `expert_${index}_${part}`);
  return {
    nodes: [
      node("Concat", all("rows"), ["expert_rows"], { axis: 0 }),
      node("Concat", all("places"), ["expert_places"], { axis: 0 }),
      node("Shape", ["expert_places"], ["place_counts"]),
      node("Squeeze", ["place_counts", "first_axis"], ["place_count"]),
      node("Range", ["zero", "place_count", "one"], ["expert_order"]),
      // The inverse of the places' order.
      node("ScatterElements", ["expert_places", "expert_places", "expert_order"], ["place_order"], { axis: 0 }),
      node("Gather", ["expert_rows", "place_order"], ["place_rows"], { axis: 0 }),
      node("Reshape", ["place_rows", "rows_by_place"], ["places"]),
      node("Unsqueeze", ["shares", "second_axis"], ["share_rows"]),
      node("MatMul", ["share_rows", "places"], ["sums"]),
      node("Squeeze", ["sums", "second_axis"], [output]),
    ],
    constants: [integers("rows_by_place", [-1, used, hiddenSize])],
  };
};

/** Adds the network that every row uses to `mixed`. */
const shared = (
  input: string,
  mixed: string,
  output: string,
  { network, gate }: NonNullable<ExpertWeights["shared"]>,
  arithmetic: Arithmetic,
): Part => {
  const added = gate ? "shared_part" : "shared_output";
  return join([
    gated("shared_", input, "shared_output", network, arithmetic),
    ...(gate
      ? [
          linear("shared_share", input, "shared_share", gate, arithmetic),
          {
            nodes: [
              node("Sigmoid", ["shared_share"], ["shared_share_sigmoid"]),
              node("Mul", ["shared_output", "shared_share_sigmoid"], [added]),
            ],
            constants: [],
          },
        ]
      : []),
    { nodes: [node("Add", [mixed, added], [output])], constants: [] },
  ]);
};
