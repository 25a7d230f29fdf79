import type { OpenPeer, PeerParts, Variant } from "kvtuner";
import { type Agreement, checkAgreement } from "./agreement.ts";
import { type CacheTypes, formatCacheTypes } from "./cache-types.ts";
import type { PeerPackage } from "./package.ts";
import { openPeerVariant, type PeerSettings, type PeerVariant } from "./peer.ts";
import { PeerError } from "./process.ts";

/** What our runtime was compared with. */
export interface PeerReport {
  readonly package: "node-llama-cpp";
  readonly version: string;
  /** llama.cpp's release. */
  readonly release: string;
  /** Instruction sets in use. */
  readonly systemInfo: string;
  /** Types whose text was compared with ours: the first that run. */
  readonly agreementTypes: string;
  readonly agreement: Agreement;
  /** Types it refused, and its messages. */
  readonly refused: readonly { readonly types: string; readonly reason: string }[];
}

/** Short, and without a place where two words are equally likely. */
const PROMPT = "The lighthouse keeper wrote in his log:";

/** Space for comparing texts: a full context is shifted, which takes llama.cpp minutes. */
const SPARE_TOKENS = 256;

/**
 * Starts llama.cpp once for each pair of types, and compares its greedy text with ours. Skips types that it refuses, with
 * a warning.
 *
 * @param onReport receives what was compared with
 * @throws PeerError when it refuses all types
 */
export const llamaCpp =
  (package_: PeerPackage, types: readonly CacheTypes[], onReport: (report: PeerReport) => void): OpenPeer =>
  async (parts): Promise<readonly Variant[]> => {
    const settings = { ...parts, package: package_, capacity: parts.ids.length + SPARE_TOKENS };
    const { variants, refused } = await startAll(settings, types, parts);
    try {
      onReport(await peerReport(package_, variants, refused, parts));
      return variants;
    } catch (error) {
      await Promise.all(variants.map((variant) => variant.dispose()));
      throw error;
    }
  };

const peerReport = async (
  { version }: PeerPackage,
  [first]: readonly PeerVariant[],
  refused: PeerReport["refused"],
  { decoder, tokenizer }: PeerParts,
): Promise<PeerReport> => {
  if (first === undefined) throw new PeerError("PEER_FAILED", `llama.cpp refused all types: ${refused[0]?.reason}`);
  const { startIds, decode } = tokenizer;
  const encode = (text: string): Int32Array => Int32Array.of(...startIds, ...tokenizer.encode(text));
  const agreement = await checkAgreement({ decoder, encode, decode, peer: first.process }, PROMPT);
  const { release, systemInfo } = first.opened;
  return {
    package: "node-llama-cpp",
    version,
    release,
    systemInfo,
    agreementTypes: first.name,
    agreement,
    refused,
  };
};

const startAll = async (
  settings: PeerSettings,
  types: readonly CacheTypes[],
  { warn, signal }: PeerParts,
): Promise<{ variants: PeerVariant[]; refused: { types: string; reason: string }[] }> => {
  const variants: PeerVariant[] = [];
  const refused: { types: string; reason: string }[] = [];
  for (const pair of types) {
    signal?.throwIfAborted();
    try {
      variants.push(await openPeerVariant(settings, pair));
    } catch (error) {
      if (!(error instanceof PeerError) || signal?.aborted === true) throw error;
      refused.push({ types: formatCacheTypes(pair), reason: error.message });
      warn(`llama.cpp does not run ${formatCacheTypes(pair)}: ${error.message}`);
    }
  }
  return { variants, refused };
};
