import {
  type AffineScheme,
  type AttentionSpec,
  bitsOf,
  defaultScale,
  type LayerScheme,
  type LayerShape,
  type Residency,
  type TensorScheme,
} from "@kvtuner/plan";
import { mapParts, roundArrayToFloat16 } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";
import type * as Cells from "../../../examples/cells.ts";
import type { KvCache } from "../../backend.ts";
import type { Fault } from "./fault.ts";

const settleUnder =
  (change: (scheme: TensorScheme, layer: LayerScheme) => readonly [TensorScheme, LayerScheme]) =>
  ({ settle }: typeof Cells): Partial<typeof Cells> => ({
    settle: (cells, scheme, layer) => settle(cells, ...change(scheme, layer)),
  });

/** Reorders query heads before attention, and their outputs back. */
const interleaved = (
  { attendRow }: typeof Cells,
  { queryHeads, kvHeads, headSize }: LayerShape,
  spec: AttentionSpec,
  queries: Float32Array,
  keys: Cells.Cells,
  values: Cells.Cells,
): Float64Array => {
  const order = Array.from({ length: queryHeads }, (_, head) => head).sort((a, b) => (a % kvHeads) - (b % kvHeads));
  const mixed = new Float32Array(queries.length);
  for (const [to, from] of order.entries())
    mixed.set(queries.subarray(from * headSize, (from + 1) * headSize), to * headSize);
  const attended = attendRow({ queryHeads, kvHeads, headSize }, spec, mixed, keys, values);
  const output = new Float64Array(queries.length);
  for (const [from, to] of order.entries())
    output.set(attended.subarray(from * headSize, (from + 1) * headSize), to * headSize);
  return output;
};

/** The same rows, with zeros where a whole head has scale zero. */
const withoutConstants = (rows: Cells.Cells): Cells.Cells =>
  rows.map((row) =>
    row.map((cell) =>
      cell.block.scales?.every((scale) => scale === 0) ? { ...cell, numbers: cell.numbers.map(() => 0) } : cell,
    ),
  );

/** An affine scheme with other fields. */
const affine = (scheme: TensorScheme, changes: Partial<AffineScheme>): TensorScheme =>
  scheme.kind === "affine" ? { ...scheme, ...changes } : scheme;

const withPrefix = (
  layer: LayerScheme,
  change: (residency: Residency) => readonly [sinks: number, recent: number],
): LayerScheme => {
  const [sinks, recent] = change(layer.residency);
  return { ...layer, residency: { kind: "prefix", sinks, recent } };
};

const attendingUnder =
  (change: (spec: AttentionSpec, shape: LayerShape) => AttentionSpec) =>
  ({ attendRow }: typeof Cells): Partial<typeof Cells> => ({
    attendRow: (shape, spec, ...rest) => attendRow(shape, change(spec, shape), ...rest),
  });

const nextPowerOfTwo = (size: number): number => 2 ** Math.ceil(Math.log2(size));

/** One buffer for all outputs of a size. */
const sharedOutputs = (inner: KvCache): Partial<KvCache> => {
  const buffers = new Map<number, Float32Array<ArrayBuffer>>();
  return {
    attend: async (...call) => {
      const output = (await inner.attend(...call)).data as Float32Array;
      const buffer = buffers.get(output.length) ?? new Float32Array(output.length);
      buffers.set(output.length, buffer).get(output.length)!.set(output);
      return new Tensor("float32", buffer, call[1].dims);
    },
  };
};

/** Reads the query at a tile's edge from the tile before. */
const tiledQueries = (inner: KvCache): Partial<KvCache> => ({
  attend: (layer, query, key, value) => {
    const [, tokens, width] = query.dims as [number, number, number];
    const rows = (query.data as Float32Array).slice();
    if (tokens > 64) rows.copyWithin(64 * width, 63 * width, 64 * width);
    return inner.attend(layer, new Tensor("float32", rows, query.dims), key, value);
  },
});

/** Mistakes that give or store other numbers. */
export const NUMBER_FAULTS: readonly Fault[] = [
  {
    law: "schemes",
    mistake: "quantizes in groups of a head only",
    says: /group 32.*(expected the output|expected \d+ bytes)/,
    cells: settleUnder((scheme, layer) => [affine(scheme, { groupSize: "head" }), layer]),
  },
  {
    law: "schemes",
    mistake: "rounds scales down",
    says: /expected the scales of the key of layer 0, KV head 0 to be what encodeBlock gives/,
    options: { tolerance: 1 },
    cells: ({ headImages }) => ({
      headImages: (...given) =>
        headImages(...given).map(({ prefix, exact }) => ({
          prefix: mapParts(prefix, (bits, part) => (part === "scales" ? bits.map((half) => half & 0xfffe) : bits)),
          exact,
        })),
    }),
  },
  {
    law: "modes",
    mistake: "stores 4 bits where 8 are asked for",
    says: /8-bit.*expected/,
    cells: settleUnder((scheme, layer) => [bitsOf(scheme) === 8 ? affine(scheme, { bits: 4 }) : scheme, layer]),
  },
  {
    law: "head-groups",
    mistake: "gives query heads to KV heads in turns",
    says: /3 query heads for each of 2 KV heads.*expected the output/,
    cells: (original) => ({
      attendRow: (shape, spec, queries, keys, values) => interleaved(original, shape, spec, queries, keys, values),
    }),
  },
  {
    law: "head-sizes",
    mistake: "scales scores by a head size that is filled up",
    says: /head size 80.*expected the output/,
    cells: ({ attendRow }) => ({
      attendRow: (shape, spec, queries, keys, values) => {
        const factor = Math.sqrt(shape.headSize / nextPowerOfTwo(shape.headSize));
        return attendRow(
          shape,
          spec,
          queries.map((number) => number * factor),
          keys,
          values,
        );
      },
    }),
  },
  {
    law: "far-out",
    mistake: "rounds queries to float16",
    says: /float16.*expected the output/,
    cells: ({ attendRow }) => ({
      attendRow: (shape, spec, queries, keys, values) => {
        const rounded = new Float32Array(queries.length);
        roundArrayToFloat16(queries, rounded);
        return attendRow(shape, spec, rounded, keys, values);
      },
    }),
  },
  {
    law: "constant-groups",
    mistake: "takes a row whose scale is zero for zeros",
    says: /8-bit.*expected the output/,
    cells: ({ attendRow }) => ({
      attendRow: (shape, spec, queries, keys, values) =>
        attendRow(shape, spec, queries, withoutConstants(keys), values),
    }),
  },
  {
    law: "uneven-layers",
    mistake: "reads the same KV head in all layers",
    says: /layer 1.*within/,
    cells: ({ attendRow }) => ({
      attendRow: (shape, ...rest) => attendRow(shape.queryHeads === 3 ? { ...shape, kvHeads: 1 } : shape, ...rest),
    }),
  },
  {
    law: "attention",
    mistake: "always scales scores by the head size",
    says: /scale 0\.3.*expected the output/,
    cells: attendingUnder((spec, { headSize }) => ({ ...spec, scale: defaultScale(headSize) })),
  },
  {
    law: "attention",
    mistake: "reads one token beyond the span",
    says: /span 7/,
    cells: attendingUnder((spec) =>
      spec.mask.kind === "sliding" ? { ...spec, mask: { ...spec.mask, span: spec.mask.span + 1 } } : spec,
    ),
  },
  {
    law: "attention",
    mistake: "does not cap scores",
    says: /softcap 2.*expected the output/,
    cells: attendingUnder(({ softcap: _, ...spec }) => spec),
  },
  {
    law: "attention",
    mistake: "gives all query heads one sink logit",
    says: /sink logits.*expected the output/,
    cells: attendingUnder(({ sinkLogits, ...spec }) =>
      sinkLogits ? { ...spec, sinkLogits: sinkLogits.map(() => sinkLogits[0]!) } : spec,
    ),
  },
  {
    law: "sliding",
    mistake: "keeps all tokens",
    says: /span 7.*expected \d+ bytes of key\.\w+ at \d+ tokens/,
    cells: () => ({ drop: () => {} }),
  },
  {
    law: "sliding",
    mistake: "drops a token that the next query reads",
    says: /span 7/,
    cells: ({ drop }) => ({ drop: (cells, scheme, layer, span) => drop(cells, scheme, layer, span - 1) }),
  },
  {
    law: "sliding",
    mistake: "drops tokens of a block one by one",
    says: /block.*expected \d+ bytes of key\.\w+ at \d+ tokens/,
    cells: ({ drop }) => ({
      drop: (cells, scheme, layer, span) =>
        drop(cells, "blockSize" in scheme ? { ...scheme, blockSize: 1 } : scheme, layer, span),
    }),
  },
  {
    law: "shared-caches",
    mistake: "attends in all layers as the one with the cache does",
    says: /sharing layer 0.*within/,
    cells: attendingUnder((spec, { headSize, queryHeads }) =>
      queryHeads === 8 ? { ...spec, scale: defaultScale(headSize) } : spec,
    ),
  },
  {
    law: "prefill",
    mistake: "loses a query between tiles",
    says: /calls of 175 tokens.*expected the output/,
    wrapping: { cache: tiledQueries },
  },
  {
    law: "recent",
    mistake: "keeps one recent token too few",
    says: /recent 5.*expected/,
    cells: settleUnder((scheme, layer) => [
      scheme,
      withPrefix(layer, ({ sinks, recent }) => [sinks, Math.max(0, recent - 1)]),
    ]),
  },
  {
    law: "recent",
    mistake: "has no sinks",
    says: /sinks 4.*expected/,
    cells: settleUnder((scheme, layer) => [scheme, withPrefix(layer, ({ sinks, recent }) => [0, recent + sinks])]),
  },
  {
    law: "bytes",
    mistake: "does not count minima",
    says: /bytes of key\.minima/,
    cells: ({ cellBytes }) => ({
      cellBytes: (cells) => ({ ...cellBytes(cells), minima: 0 }),
    }),
  },
  {
    law: "ownership",
    mistake: "keeps its output buffer",
    says: /expected an output to stay as it is/,
    wrapping: { cache: sharedOutputs },
  },
  {
    law: "truncate",
    mistake: "leaves in codes what must be exact",
    says: /truncate\(\d+\).*expected/,
    cells: ({ settle }) => ({
      settle: (cells, scheme, layer) => {
        const before = [...cells];
        settle(cells, scheme, layer);
        for (const [token, row] of before.entries()) if (row[0]!.scheme === scheme) cells[token] = row;
      },
    }),
  },
  {
    law: "truncate",
    mistake: "clips lengths that there are not",
    says: /truncate\(-1\) of 40 tokens to be refused/,
    wrapping: {
      cache: (inner) => ({ truncate: (length) => inner.truncate(Math.min(inner.length, Math.max(0, length | 0))) }),
    },
  },
  {
    law: "snapshot",
    mistake: "writes 16-bit rows newest first",
    says: /expected the 16-bit numbers of the key/,
    cells: ({ headImages }) => ({
      headImages: (...given) => headImages(...given).map((image) => ({ ...image, exact: image.exact.toReversed() })),
    }),
  },
  {
    law: "snapshot",
    mistake: "forgets the minima on the way back",
    says: /expected the (output|minima)/,
    cells: ({ cellsFrom }) => ({
      cellsFrom: (images, ...rest) =>
        cellsFrom(
          images.map(({ prefix, exact }) => ({
            prefix: mapParts(prefix, (bits, part) => (part === "minima" ? bits.map(() => 0) : bits)),
            exact,
          })),
          ...rest,
        ),
    }),
  },
];
