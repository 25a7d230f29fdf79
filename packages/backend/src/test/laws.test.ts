import type { CacheShape, LayerScheme, TensorScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as Cells from "../../examples/cells.ts";
import type { Backend, KvCache } from "../backend.ts";
import type * as Checks from "../index.ts";
import { checksum } from "../snapshot/checksum.ts";
import type { BackendUnderTest } from "./backend-under-test.ts";
import { LAWS, type LawName } from "./laws.ts";
import { wrappedBackend, type Wrapping } from "./test-support/wrapped-backend.ts";

/** A mistake that an author may make, and what the law that catches it says. */
interface Fault {
  readonly law: LawName;
  readonly mistake: string;
  readonly says: RegExp;
  /** A check of `@kvtuner/backend` that was forgotten, or done otherwise. */
  readonly checks?: (original: typeof Checks) => Partial<typeof Checks>;
  /** A function of the example's own that is wrong. */
  readonly cells?: (original: typeof Cells) => Partial<typeof Cells>;
  readonly wrapping?: Wrapping;
  readonly options?: Partial<BackendUnderTest>;
}

const nothing = (): void => {};

const outputOf = async (output: Promise<Tensor>): Promise<Float32Array> => (await output).data as Float32Array;

const settleUnder =
  (change: (scheme: TensorScheme, layer: LayerScheme) => readonly [TensorScheme, LayerScheme]) =>
  ({ settle }: typeof Cells): Partial<typeof Cells> => ({
    settle: (cells, scheme, layer) => settle(cells, ...change(scheme, layer)),
  });

/** Query heads put in another order before attention, and their outputs back. */
const interleaved = (
  { attendRow }: typeof Cells,
  { queryHeads, kvHeads, headSize }: CacheShape,
  queries: Float32Array,
  keys: Cells.Cells,
  values: Cells.Cells,
): Float64Array => {
  const order = Array.from({ length: queryHeads }, (_, head) => head).sort((a, b) => (a % kvHeads) - (b % kvHeads));
  const mixed = new Float32Array(queries.length);
  for (const [to, from] of order.entries())
    mixed.set(queries.subarray(from * headSize, (from + 1) * headSize), to * headSize);
  const attended = attendRow({ layers: 1, queryHeads, kvHeads, headSize }, mixed, keys, values);
  const output = new Float64Array(queries.length);
  for (const [from, to] of order.entries())
    output.set(attended.subarray(from * headSize, (from + 1) * headSize), to * headSize);
  return output;
};

const nextPowerOfTwo = (size: number): number => 2 ** Math.ceil(Math.log2(size));

/** One buffer for all outputs of a size. */
const sharedOutputs = (inner: KvCache): Partial<KvCache> => {
  const buffers = new Map<number, Float32Array<ArrayBuffer>>();
  return {
    attend: async (...call) => {
      const output = await outputOf(inner.attend(...call));
      const buffer = buffers.get(output.length) ?? new Float32Array(output.length);
      buffers.set(output.length, buffer).get(output.length)!.set(output);
      return new Tensor("float32", buffer, call[1].dims);
    },
  };
};

/** The query at a tile's edge is read from the tile before. */
const tiledQueries = (inner: KvCache): Partial<KvCache> => ({
  attend: (layer, query, key, value) => {
    const [, tokens, width] = query.dims as [number, number, number];
    const rows = (query.data as Float32Array).slice();
    if (tokens > 64) rows.copyWithin(64 * width, 63 * width, 64 * width);
    return inner.attend(layer, new Tensor("float32", rows, query.dims), key, value);
  },
});

const onlyOneCache = (inner: Backend): Partial<Backend> => {
  let only: Promise<KvCache> | undefined;
  return { createCache: (shape, plan) => (only ??= inner.createCache(shape, plan)) };
};

const faults: readonly Fault[] = [
  {
    law: "capabilities",
    mistake: "claims no scheme for keys",
    says: /expected a scheme for keys and one for values/,
    wrapping: { backend: ({ capabilities }) => ({ capabilities: { ...capabilities, key: [] } }) },
  },
  {
    law: "unsupported-plan",
    mistake: "takes any plan",
    says: /to be refused with BACKEND_UNSUPPORTED_SCHEME, it was taken/,
    checks: () => ({ assertPlanSupported: nothing }),
  },
  {
    law: "unsupported-plan",
    mistake: "names no scheme",
    says: /to name layer 1, got undefined/,
    wrapping: {
      backend: ({ createCache }) => ({
        createCache: (shape, plan) =>
          createCache(shape, plan).catch((error: unknown) => {
            throw Object.assign(error as Error, { layer: undefined });
          }),
      }),
    },
  },
  {
    law: "tensor-shapes",
    mistake: "believes the query's shape",
    says: /to be refused with BACKEND_TENSOR_SHAPE/,
    checks: () => ({ attendTokens: (_shape, _layer, query) => query.dims[1]! }),
  },
  {
    law: "schemes",
    mistake: "quantizes in groups of a head only",
    says: /group 32.*(expected the output|expected \d+ bytes)/,
    cells: settleUnder((scheme, layer) => [{ ...scheme, groupSize: "head" }, layer]),
  },
  {
    law: "schemes",
    mistake: "rounds scales down",
    says: /expected the scales of the key of layer 0, KV head 0 to be what encodeBlock gives/,
    options: { tolerance: 1 },
    cells: ({ headImages }) => ({
      headImages: (...given) =>
        headImages(...given).map(({ prefix, exact }) => ({
          prefix: { ...prefix, scales: prefix.scales.map((bits) => bits & 0xfffe) },
          exact,
        })),
    }),
  },
  {
    law: "modes",
    mistake: "stores 4 bits where 8 are asked for",
    says: /8-bit.*expected/,
    cells: settleUnder((scheme, layer) => [scheme.bits === 8 ? { ...scheme, bits: 4 } : scheme, layer]),
  },
  {
    law: "head-groups",
    mistake: "gives query heads to KV heads in turns",
    says: /3 query heads for each of 2 KV heads.*expected the output/,
    cells: (original) => ({
      attendRow: (shape, queries, keys, values) => interleaved(original, shape, queries, keys, values),
    }),
  },
  {
    law: "head-sizes",
    mistake: "scales scores by a head size that is filled up",
    says: /head size 80.*expected the output/,
    cells: ({ attendRow }) => ({
      attendRow: (shape, queries, keys, values) => {
        const factor = Math.sqrt(shape.headSize / nextPowerOfTwo(shape.headSize));
        return attendRow(
          shape,
          queries.map((number) => number * factor),
          keys,
          values,
        );
      },
    }),
  },
  {
    law: "prefill",
    mistake: "loses a query between tiles",
    says: /calls of 175 tokens.*expected the output/,
    wrapping: { cache: tiledQueries },
  },
  {
    law: "windows",
    mistake: "has a window one token short",
    says: /window 5.*expected/,
    cells: settleUnder((scheme, layer) => [scheme, { ...layer, window: Math.max(0, layer.window - 1) }]),
  },
  {
    law: "windows",
    mistake: "has no sinks",
    says: /sinks 4.*expected/,
    cells: settleUnder((scheme, layer) => [scheme, { ...layer, window: layer.window + layer.sinks, sinks: 0 }]),
  },
  {
    law: "bytes",
    mistake: "does not count minima",
    says: /bytes of keyParameters/,
    cells: ({ cellBytes }) => ({
      cellBytes: (cells) => {
        const bytes = cellBytes(cells);
        return { ...bytes, parameters: bytes.parameters / 2 };
      },
    }),
  },
  {
    law: "finite",
    mistake: "looks at no number before it encodes",
    says: /NaN in the .* to be refused with BACKEND_TENSOR_NOT_FINITE/,
    checks: () => ({ assertFiniteTensors: nothing }),
  },
  {
    law: "layer-order",
    mistake: "takes layers in any order",
    says: /layer 1 before layer 0 to be refused with BACKEND_LAYER_ORDER, it was taken/,
    checks: () => ({ assertAppend: nothing }),
  },
  {
    law: "layer-order",
    mistake: "takes snapshots in the middle of a token",
    says: /a snapshot between layers to be refused/,
    checks: () => ({ evenLength: (lengths) => lengths.at(-1)! }),
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
    law: "retune",
    mistake: "takes a finer plan",
    says: /a plan of more bytes to be refused with BACKEND_RETUNE_FINER, it was taken/,
    checks: () => ({ assertCoarser: nothing }),
  },
  {
    law: "retune",
    mistake: "stays in the old plan",
    says: /expected \d+ bytes/,
    wrapping: { cache: () => ({ retune: async () => {} }) },
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
          images.map(({ prefix, exact }) => ({ prefix: { ...prefix, minima: prefix.minima.map(() => 0) }, exact })),
          ...rest,
        ),
    }),
  },
  {
    law: "new-process",
    mistake: "starts anew in the new process",
    says: /expected the output of call 0 in the new process/,
    options: {
      backendModule: {
        url: new URL("./test-support/forgetful-backend.ts", import.meta.url).href,
        exportName: "createForgetfulBackend",
        nodeOptions: [
          "--conditions=@kvtuner/source",
          "--import",
          new URL("../../../../tools/typescript-loader.mjs", import.meta.url).href,
        ],
      },
    },
  },
  {
    law: "foreign-snapshot",
    mistake: "does not look at the checksum",
    says: /a snapshot with byte \d+ changed to be refused with SNAPSHOT_CORRUPT/,
    checks: ({ readSnapshot }) => ({
      readSnapshot: async (bytes, shape, plan) => {
        const mended = bytes.slice();
        if (mended.length > 32) mended.set(await checksum(mended.subarray(0, -32)), mended.length - 32);
        return readSnapshot(mended, shape, plan);
      },
    }),
  },
  {
    law: "two-caches",
    mistake: "has one cache for all",
    says: /expected/,
    wrapping: { backend: onlyOneCache },
  },
  {
    law: "dispose",
    mistake: "goes on after dispose",
    says: /after dispose to be refused with BACKEND_DISPOSED/,
    checks: () => ({ assertAlive: nothing }),
  },
  {
    law: "limits",
    mistake: "grows without end",
    says: /to be refused with BACKEND_(OUT_OF_MEMORY|TOO_LONG), it was taken/,
    checks: () => ({ assertAppend: nothing }),
  },
  {
    law: "limits",
    mistake: "restores more than it may hold",
    says: /a snapshot beyond .* to be refused with BACKEND_(OUT_OF_MEMORY|TOO_LONG), it was taken/,
    checks: () => ({ assertFits: nothing }),
  },
  {
    law: "append-cost",
    mistake: "copies the cache at every call",
    says: /expected at most \d+ bytes to be allocated/,
    wrapping: {
      cache: (inner) => ({
        attend: async (...call) => {
          await inner.snapshot();
          return inner.attend(...call);
        },
      }),
    },
  },
  {
    law: "random-operations",
    mistake: "does not truncate what was restored",
    says: /Counterexample.*expected a length of/s,
    wrapping: { cache: (inner, from) => ({ truncate: from === "restore" ? nothing : inner.truncate.bind(inner) }) },
  },
];

describe("the law is broken by a backend that", () => {
  beforeEach(() => {
    vi.resetModules();
  });
  afterEach(() => {
    vi.doUnmock("@kvtuner/backend");
    vi.doUnmock("../../examples/cells.ts");
  });

  it.each(faults)("$law: $mistake", async ({ law, says, checks, cells, wrapping, options }) => {
    if (checks) vi.doMock("@kvtuner/backend", async (original) => replaced(await original<typeof Checks>(), checks));
    if (cells)
      vi.doMock("../../examples/cells.ts", async (original) => replaced(await original<typeof Cells>(), cells));
    const { createExampleBackend } = await import("../../examples/example-backend.ts");
    const create = wrapping ? (): Backend => wrappedBackend(wrapping) : createExampleBackend;
    const check = LAWS[law].check({ name: "broken", createBackend: create, createSmallBackend: create, ...options });
    await expect(check).rejects.toMatchObject({ code: "BACKEND_LAW", message: expect.stringMatching(says) });
  });

  it("every law", () => {
    expect(new Set(faults.map(({ law }) => law))).toEqual(new Set(Object.keys(LAWS)));
  });
});

const replaced = <Module extends object>(original: Module, change: (original: Module) => Partial<Module>): Module => ({
  ...original,
  ...change(original),
});
