import type { ExpertSizes } from "../config.ts";
import { deferredParts, deferredRows } from "../deferred-matrix.ts";
import { inHalfSplitOrder } from "../half-split.ts";
import type { LayerReader } from "../layer-reader.ts";
import { pickRows } from "../pick-rows.ts";
import type { RecurrentKind } from "../recurrent/recurrent-kind.ts";
import { sliceRows } from "../slice-rows.ts";
import type {
  Activation,
  DeferredLinear,
  ExpertWeights,
  FeedForwardWeights,
  GatedWeights,
  Linear,
  ProjectionWeights,
} from "../weights.ts";

/** How a file stores query, key and value. */
interface ProjectionLayout {
  /** Rows of a head that RoPE rotates together: `2i` and `2i + 1`, or `i` and `i + half`. */
  readonly ropeRows: "neighbours" | "halves";
  /** Whether query, key and value must have a bias. A bias that the file has is always added. */
  readonly needsBias?: boolean;
  /** Whether the residuals are normed before; true by default. */
  readonly hasNorm?: boolean;
  /** Whether `attn_q` has rows of {@link attentionGate} after those of each head; false by default. RoPE's rows are halves then. */
  readonly isGated?: boolean;
  /** Whether the key's matrix is the value's too; false by default. */
  readonly isKeyValue?: boolean;
}

/** Norm, query, key and value from tensors of their own, with query and key rows in the half-split RoPE order. */
export const separateProjection = async (
  reader: LayerReader,
  { ropeRows, needsBias = false, hasNorm = true, isGated = false, isKeyValue = false }: ProjectionLayout,
): Promise<ProjectionWeights> => {
  const { hiddenSize } = reader.config;
  const { headSize, queryHeads, kvHeads } = reader.sizes;
  const ropeDimensions = ropeDimensionsOf(reader);
  const isReordered = ropeRows === "neighbours" && ropeDimensions > 0;
  const rotated = async (part: string, heads: number): Promise<Linear> => {
    const rows = await reader.linear(part, heads * headSize, hiddenSize, needsBias);
    return isReordered ? inHalfSplitOrder(rows, headSize, ropeDimensions) : rows;
  };
  const query = await (isGated ? queryOrGate(reader, "query") : rotated("attn_q", queryHeads));
  const key = reader.hasCache ? await rotated("attn_k", kvHeads) : undefined;
  const value = isKeyValue || !key ? key : await reader.linear("attn_v", kvHeads * headSize, hiddenSize, needsBias);
  return {
    ...(hasNorm && { norm: await reader.vector("attn_norm", hiddenSize) }),
    query,
    ...(key && value && { key, value }),
    headSize,
    ropeDimensions,
  };
};

/** The gate of a layer's attention, of the residuals that query, key and value come from. */
export const attentionGate = async (reader: LayerReader): Promise<NonNullable<FeedForwardWeights["gate"]>> => ({
  norm: await reader.vector("attn_norm", reader.config.hiddenSize),
  projection: await queryOrGate(reader, "gate"),
});

const queryOrGate = async (reader: LayerReader, wanted: "query" | "gate"): Promise<Linear> => {
  const { queryHeads, headSize } = reader.sizes;
  const joint = await reader.linear("attn_q", 2 * queryHeads * headSize, reader.config.hiddenSize);
  const offset = wanted === "query" ? 0 : headSize;
  const rowOf = (row: number): number => row + headSize * Math.floor(row / headSize) + offset;
  return pickRows(
    joint,
    Uint32Array.from({ length: queryHeads * headSize }, (_, row) => rowOf(row)),
  );
};

const ropeDimensionsOf = ({ config: { rope }, layer }: LayerReader): number =>
  rope.tables[rope.tableOf[layer] ?? -1]?.dimensions ?? 0;

/** Norm, and query, key and value from one tensor, `attn_qkv`, with RoPE's rows in halves. */
export const fusedProjection = async (reader: LayerReader): Promise<ProjectionWeights> => {
  const { hiddenSize } = reader.config;
  const { headSize, queryHeads, kvHeads } = reader.sizes;
  const [queryRows, kvRows] = [queryHeads * headSize, kvHeads * headSize];
  const fused = await reader.linear("attn_qkv", queryRows + 2 * kvRows, hiddenSize);
  return {
    norm: await reader.vector("attn_norm", hiddenSize),
    query: sliceRows(fused, 0, queryRows),
    ...(reader.hasCache && {
      key: sliceRows(fused, queryRows, queryRows + kvRows),
      value: sliceRows(fused, queryRows + kvRows, queryRows + 2 * kvRows),
    }),
    headSize,
    ropeDimensions: ropeDimensionsOf(reader),
  };
};

/** RMS norms of each head of query and key, before RoPE. */
export const headNorms = async (reader: LayerReader): Promise<Pick<ProjectionWeights, "queryNorm" | "keyNorm">> => ({
  queryNorm: await reader.vector("attn_q_norm", reader.sizes.headSize),
  ...(reader.hasCache && { keyNorm: await reader.vector("attn_k_norm", reader.sizes.headSize) }),
});

/** RMS norms of all heads of query together, and of key, before RoPE. */
export const projectionNorms = async (
  reader: LayerReader,
): Promise<Pick<ProjectionWeights, "queryNorm" | "keyNorm">> => {
  const { headSize, queryHeads, kvHeads } = reader.sizes;
  return {
    queryNorm: await reader.vector("attn_q_norm", queryHeads * headSize),
    ...(reader.hasCache && { keyNorm: await reader.vector("attn_k_norm", kvHeads * headSize) }),
  };
};

/** RMS norms of the outputs of attention and of the feed-forward part. */
export const normsAfter = async (
  reader: LayerReader,
): Promise<Pick<FeedForwardWeights, "outputNorm" | "loweredNorm">> => ({
  outputNorm: await reader.vector("post_attention_norm", reader.config.hiddenSize),
  loweredNorm: await reader.vector("post_ffw_norm", reader.config.hiddenSize),
});

/** How a file stores the part after attention. */
interface FeedForwardLayout {
  /** Name of the norm of the residuals before the network, or `none`; `ffn_norm` by default. */
  readonly norm?: string;
  /** What recurrent layers compute in place of attention, in families that have such layers. */
  readonly recurrent?: RecurrentKind;
  /** As in `ExpertWeights`; of the chosen experts by default. */
  readonly softmaxOf?: ExpertWeights["softmaxOf"];
  /** Whether the network is none of experts, also in a model that has some beside it; false by default. */
  readonly isDense?: boolean;
}

/** Attention output, norm, and the network, or experts if the model has them. */
export const gatedFeedForward = async (
  reader: LayerReader,
  activation: Activation,
  { norm = "ffn_norm", recurrent, softmaxOf = "chosen", isDense = false }: FeedForwardLayout = {},
): Promise<FeedForwardWeights> => {
  const { hiddenSize, experts } = reader.config;
  return {
    output: await (recurrent && reader.isRecurrent ? recurrent.output(reader) : attentionOutput(reader)),
    ...(norm !== "none" && { norm: await reader.vector(norm, hiddenSize) }),
    network:
      experts && !isDense
        ? { ...(await expertNetworks(reader, experts, activation)), softmaxOf }
        : await gatedNetwork(reader, "", reader.sizes.feedForwardSize, activation),
  };
};

const attentionOutput = async (reader: LayerReader): Promise<DeferredLinear> => {
  const { queryHeads, headSize } = reader.sizes;
  return reader.deferred("attn_output", reader.config.hiddenSize, queryHeads * headSize);
};

/** The network in `ffn_gateSUFFIX`, `ffn_upSUFFIX` and `ffn_downSUFFIX`. */
const gatedNetwork = async (
  reader: LayerReader,
  suffix: string,
  size: number,
  activation: Activation,
): Promise<GatedWeights> => {
  const { hiddenSize } = reader.config;
  return {
    gate: await reader.deferred(`ffn_gate${suffix}`, size, hiddenSize),
    up: await reader.deferred(`ffn_up${suffix}`, size, hiddenSize),
    down: await reader.deferred(`ffn_down${suffix}`, hiddenSize, size),
    activation,
  };
};

/** Attention output, norm, and a network with gate and up in one tensor, `ffn_up`. */
export const fusedFeedForward = async (reader: LayerReader, activation: Activation): Promise<FeedForwardWeights> => {
  const { hiddenSize } = reader.config;
  const { feedForwardSize } = reader.sizes;
  const fused = await reader.deferred("ffn_up", 2 * feedForwardSize, hiddenSize);
  return {
    output: await attentionOutput(reader),
    norm: await reader.vector("ffn_norm", hiddenSize),
    network: {
      gate: deferredRows(fused, 0, feedForwardSize),
      up: deferredRows(fused, feedForwardSize, 2 * feedForwardSize),
      down: await reader.deferred("ffn_down", hiddenSize, feedForwardSize),
      activation,
    },
  };
};

/** A router and the experts that it chooses from. */
export const expertNetworks = async (
  reader: LayerReader,
  { count, used, feedForwardSize, sharedFeedForwardSize }: ExpertSizes,
  activation: Activation,
): Promise<Omit<ExpertWeights, "softmaxOf">> => {
  const { hiddenSize } = reader.config;
  const [gates, ups] = await gatesAndUps(reader, count, feedForwardSize);
  const downs = deferredParts(await reader.deferred("ffn_down_exps", count * hiddenSize, feedForwardSize), count);
  return {
    router: await reader.linear("ffn_gate_inp", count, hiddenSize),
    used,
    each: gates.map((gate, expert) => ({ gate, up: ups[expert]!, down: downs[expert]!, activation })),
    ...(sharedFeedForwardSize !== undefined && {
      shared: await sharedNetwork(reader, sharedFeedForwardSize, activation),
    }),
  };
};

/** From tensors of their own, or from one in which the rows of each expert's gate come before those of its up. */
const gatesAndUps = async (
  reader: LayerReader,
  count: number,
  size: number,
): Promise<[DeferredLinear[], DeferredLinear[]]> => {
  const parts = async (part: string, rows: number): Promise<DeferredLinear[]> =>
    deferredParts(await reader.deferred(part, count * rows, reader.config.hiddenSize), count);
  if (!reader.has("ffn_gate_up_exps")) return [await parts("ffn_gate_exps", size), await parts("ffn_up_exps", size)];
  const fused = await parts("ffn_gate_up_exps", 2 * size);
  return [fused.map((both) => deferredRows(both, 0, size)), fused.map((both) => deferredRows(both, size, 2 * size))];
};

const sharedNetwork = async (
  reader: LayerReader,
  size: number,
  activation: Activation,
): Promise<NonNullable<ExpertWeights["shared"]>> => ({
  network: await gatedNetwork(reader, "_shexp", size, activation),
  ...(reader.has("ffn_gate_inp_shexp") && {
    gate: await reader.linear("ffn_gate_inp_shexp", 1, reader.config.hiddenSize),
  }),
});
