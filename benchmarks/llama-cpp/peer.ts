import type { CacheShape } from "@kvtuner/plan";
import type { Variant } from "kvtuner";
import { type CacheTypes, formatCacheTypes, tokenBytes } from "./cache-types.ts";
import type { PeerPackage } from "./package.ts";
import { type PeerProcess, startPeer } from "./process.ts";
import type { OpenReply } from "./protocol.ts";

/** What a peer runs. */
export interface PeerSettings {
  readonly package: PeerPackage;
  readonly modelPath: string;
  readonly shape: CacheShape;
  readonly threads: number;
  /** Tokens that its contexts hold. */
  readonly capacity: number;
  /** Tokens that a synthetic fill repeats. */
  readonly ids: Int32Array;
  readonly signal?: AbortSignal;
}

/** llama.cpp with one pair of types, ready to be timed. */
export interface PeerVariant extends Variant {
  readonly process: Pick<PeerProcess, "call">;
  readonly opened: OpenReply;
}

/**
 * Starts llama.cpp with one pair of types.
 *
 * @throws PeerError when it refuses them, or crashes
 */
export const openPeerVariant = async (settings: PeerSettings, types: CacheTypes): Promise<PeerVariant> => {
  const { modelPath, threads, capacity, shape, ids } = settings;
  const peer = startPeer(settings.signal);
  try {
    const request = { packageUrl: settings.package.url, modelPath, threads, capacity, types };
    const opened = await peer.call("open", request);
    const bytesPerToken = shape.layers * tokenBytes(types, shape.kvHeads * shape.headSize);
    const variant = peerVariant(peer, formatCacheTypes(types), bytesPerToken, ids);
    return { ...variant, threads, process: peer, opened };
  } catch (error) {
    await peer.end();
    throw error;
  }
};

const peerVariant = (
  peer: PeerProcess,
  name: string,
  bytesPerToken: number,
  fillIds: Int32Array,
): Omit<Variant, "threads"> => ({
  name,
  kind: "peer",
  bytesAt: (length) => length * bytesPerToken,
  prefill: (ids) => peer.call("prefill", { ids }),
  fill: (length) => peer.call("fill", { ids: fillIds, length }),
  decode: (ids) => peer.call("decode", { ids }),
  clear: () => peer.call("clear", {}),
  dispose: () => peer.end(),
});
