import { createExampleBackend } from "../../../examples/example-backend.ts";
import type { Backend, KvCache } from "../../backend.ts";

/** Changes to the caches of a backend, and to their creation. */
export interface Wrapping {
  readonly backend?: (inner: Backend) => Partial<Backend>;
  readonly cache?: (inner: KvCache, from: "create" | "restore") => Partial<KvCache>;
}

/** The example backend with changed caches. */
export const wrappedBackend = (wrapping: Wrapping): Backend => {
  const inner = createExampleBackend();
  const wrap = (cache: KvCache, from: "create" | "restore"): KvCache =>
    overlaid(cache, wrapping.cache?.(cache, from) ?? {});
  const wrapped: Backend = {
    ...inner,
    createCache: async (shape, plan) => wrap(await inner.createCache(shape, plan), "create"),
    restoreCache: async (shape, plan, snapshot) => wrap(await inner.restoreCache(shape, plan, snapshot), "restore"),
  };
  return { ...wrapped, ...wrapping.backend?.(wrapped) };
};

/** Keeps getters, which spreading would call once, and methods with their private fields. */
const overlaid = (cache: KvCache, changes: Partial<KvCache>): KvCache =>
  new Proxy(cache, {
    get: (target, name) => {
      if (name in changes) return Reflect.get(changes, name) as unknown;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
