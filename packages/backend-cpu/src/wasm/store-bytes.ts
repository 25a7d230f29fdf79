import type { CacheBytes } from "@kvtuner/plan";
import { bytesByPart } from "../bytes-by-part.ts";
import type { PackedStore } from "./packed-store.ts";

/** Bytes in use of all layers, by part. */
export const storeBytes = ({ layers }: PackedStore): CacheBytes =>
  bytesByPart(layers.map(({ key, value, length }) => ({ key: key.bytes(length), value: value.bytes(length) })));
