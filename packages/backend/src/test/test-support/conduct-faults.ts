import type * as Append from "../../append.ts";
import type * as AttendTokens from "../../attend-tokens.ts";
import type { Backend, KvCache } from "../../backend.ts";
import type * as Disposed from "../../disposed.ts";
import type * as FiniteTensors from "../../finite-tensors.ts";
import type * as PlanSupport from "../../plan-support.ts";
import type * as RetuneCheck from "../../retune-check.ts";
import { checksum } from "../../snapshot/checksum.ts";
import type * as ReadSnapshot from "../../snapshot/read-snapshot.ts";
import type * as Truncation from "../../truncation.ts";
import type { ChangedCheck, Fault } from "./fault.ts";

/** A check, typed by its file, with a mistake. */
const changed = <Module extends object>(file: string, change: (original: Module) => Partial<Module>): ChangedCheck => ({
  file,
  change: (original) => change(original as Module),
});

const nothing = (): void => {};

const onlyOneCache = (inner: Backend): Partial<Backend> => {
  let only: Promise<KvCache> | undefined;
  return { createCache: (shape, plan) => (only ??= inner.createCache(shape, plan)) };
};

/** Delays some calls until the program has nothing else to do. */
const late = (inner: KvCache, isLate: (count: number) => boolean): KvCache["attend"] => {
  let count = 0;
  return async (...call) => {
    if (isLate(count++)) await idle();
    return inner.attend(...call);
  };
};

const idle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const afterAll = (inner: KvCache) => async (): Promise<Uint8Array> => {
  await idle();
  return inner.snapshot();
};

/** Mistakes in errors, isolation and release. */
export const CONDUCT_FAULTS: readonly Fault[] = [
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
    check: changed<typeof PlanSupport>("plan-support.ts", () => ({ assertPlanSupported: nothing })),
  },
  {
    law: "uneven-layers",
    mistake: "does not say that it takes them",
    says: /layers of different sizes to be refused with BACKEND_UNSUPPORTED_SHAPE, it was taken/,
    wrapping: { backend: ({ capabilities }) => ({ capabilities: { ...capabilities, unevenLayers: false } }) },
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
    check: changed<typeof AttendTokens>("attend-tokens.ts", () => ({
      attendTokens: (_shape, _layer, query) => query.dims[1]!,
    })),
  },
  {
    law: "finite",
    mistake: "looks at no number before it encodes",
    says: /NaN in the .* to be refused with BACKEND_TENSOR_NOT_FINITE/,
    check: changed<typeof FiniteTensors>("finite-tensors.ts", () => ({ assertFiniteTensors: nothing })),
  },
  {
    law: "layer-order",
    mistake: "takes layers in any order",
    says: /layer 1 before layer 0 to be refused with BACKEND_LAYER_ORDER, it was taken/,
    check: changed<typeof Append>("append.ts", () => ({ assertAppend: nothing })),
  },
  {
    law: "layer-order",
    mistake: "takes snapshots in the middle of a token",
    says: /a snapshot between layers to be refused/,
    check: changed<typeof Append>("append.ts", () => ({ evenLength: (lengths) => lengths.at(-1)! })),
  },
  {
    law: "retune",
    mistake: "takes a finer plan",
    says: /a plan of more bytes to be refused with BACKEND_RETUNE_FINER, it was taken/,
    check: changed<typeof RetuneCheck>("retune-check.ts", () => ({ assertCoarser: nothing })),
  },
  {
    law: "retune",
    mistake: "stays in the old plan",
    says: /expected \d+ bytes/,
    wrapping: { cache: () => ({ retune: async () => {} }) },
  },
  {
    law: "sliding",
    mistake: "goes back to tokens that it has dropped",
    says: /truncate\(\d+\) of \d+ tokens to be refused with BACKEND_TRUNCATE_DROPPED, it was taken/,
    check: changed<typeof Truncation>("truncation.ts", () => ({ assertNotDropped: nothing })),
  },
  {
    law: "sliding",
    mistake: "re-encodes what it has dropped",
    says: /a retune after tokens were dropped to be refused with BACKEND_RETUNE_DROPPED/,
    check: changed<typeof RetuneCheck>("retune-check.ts", () => ({ assertComplete: nothing })),
  },
  {
    law: "shared-caches",
    mistake: "appends before all have read",
    says: /a layer that appends before all have read to be refused with BACKEND_LAYER_ORDER, it was taken/,
    check: changed<typeof Append>("append.ts", () => ({ assertAllRead: nothing })),
  },
  {
    law: "shared-caches",
    mistake: "does not say that it takes them",
    says: /shared caches to be refused with BACKEND_UNSUPPORTED_SHAPE, it was taken/,
    wrapping: {
      backend: ({ capabilities }) => ({
        capabilities: { ...capabilities, attention: { sliding: true, softcap: true, sinkLogits: true } },
      }),
    },
  },
  {
    law: "value-size",
    mistake: "claims values of another size than keys, and takes none",
    says: /keys of 64, values of 32.*needs values as long as keys/,
    wrapping: {
      backend: ({ capabilities }) => ({
        capabilities: { ...capabilities, attention: { ...capabilities.attention!, valueSize: true } },
      }),
    },
  },
  {
    law: "new-process",
    mistake: "starts anew in the new process",
    says: /expected the output of call 0 in the new process/,
    options: {
      backendModule: {
        url: new URL("./forgetful-backend.ts", import.meta.url).href,
        exportName: "createForgetfulBackend",
        nodeOptions: [
          "--conditions=@kvtuner/source",
          "--import",
          new URL("../../../../../tools/typescript-loader.mjs", import.meta.url).href,
        ],
      },
    },
  },
  {
    law: "foreign-snapshot",
    mistake: "does not look at the checksum",
    says: /a snapshot with byte \d+ changed to be refused with SNAPSHOT_CORRUPT/,
    check: changed<typeof ReadSnapshot>("snapshot/read-snapshot.ts", ({ readSnapshot }) => ({
      readSnapshot: async (bytes, shape, plan) => {
        const mended = bytes.slice();
        if (mended.length > 32) mended.set(await checksum(mended.subarray(0, -32)), mended.length - 32);
        return readSnapshot(mended, shape, plan);
      },
    })),
  },
  {
    law: "two-caches",
    mistake: "has one cache for all",
    says: /expected/,
    wrapping: { backend: onlyOneCache },
  },
  {
    law: "calls-at-once",
    mistake: "takes calls as they come to be ready",
    says: /expected concurrent call \d to be accepted, got/,
    wrapping: { cache: (inner) => ({ attend: late(inner, (count) => count % 2 === 0) }) },
  },
  {
    law: "calls-at-once",
    mistake: "truncates under a call",
    says: /expected/,
    wrapping: { cache: (inner) => ({ attend: late(inner, () => true), snapshot: afterAll(inner) }) },
  },
  {
    law: "dispose",
    mistake: "goes on after dispose",
    says: /after dispose to be refused with BACKEND_DISPOSED/,
    check: changed<typeof Disposed>("disposed.ts", () => ({ assertAlive: nothing })),
  },
  {
    law: "limits",
    mistake: "grows without end",
    says: /to be refused with BACKEND_(OUT_OF_MEMORY|TOO_LONG), it was taken/,
    check: changed<typeof Append>("append.ts", () => ({ assertAppend: nothing })),
  },
  {
    law: "limits",
    mistake: "restores more than it may hold",
    says: /a snapshot beyond .* to be refused with BACKEND_(OUT_OF_MEMORY|TOO_LONG), it was taken/,
    check: changed<typeof Append>("append.ts", () => ({ assertFits: nothing })),
  },
  {
    law: "limits",
    mistake: "goes back to more bytes than it may hold",
    says: /truncate\(\d+\) of \d+ tokens beyond \d+ bytes to be refused with BACKEND_OUT_OF_MEMORY, it was taken/,
    check: changed<typeof Append>("append.ts", ({ assertFits }) => ({
      assertFits: (tokens, sizeBytes, { maxTokens, maxCacheBytes }) =>
        assertFits(tokens, sizeBytes, { maxTokens, maxCacheBytes: 2 * maxCacheBytes }),
    })),
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
