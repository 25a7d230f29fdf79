import type { Decoder, Tokenizer } from "@kvtuner/decoder";

import { CALIBRATION_PROMPTS } from "../calibration/prompts.ts";
import type { RunContext } from "../progress.ts";
import { type Agreement, checkAgreement } from "./agreement.ts";
import { type CacheTypes, formatCacheTypes } from "./llama-cpp/cache-types.ts";
import { openPeerVariant, type PeerSettings, type PeerVariant } from "./llama-cpp/peer.ts";
import { PeerKvtunerError } from "./llama-cpp/process.ts";

/** What was compared with. */
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
  /** Types it would not run, and what it said. */
  readonly refused: readonly { readonly types: string; readonly reason: string }[];
}

/** The peer in every type that it runs. */
export interface OpenedPeer {
  readonly variants: readonly PeerVariant[];
  readonly report: PeerReport;
}

/**
 * Starts the peer once for each pair of types, and compares its greedy text with ours. Types that it refuses are left out
 * with a warning.
 *
 * @throws PeerKvtunerError when it runs none
 */
export const openPeerVariants = async (
  settings: PeerSettings,
  types: readonly CacheTypes[],
  decoder: Decoder,
  tokenizer: Tokenizer,
  run: RunContext,
): Promise<OpenedPeer> => {
  const { variants, refused } = await startAll(settings, types, run);
  try {
    const first = variants[0];
    if (first === undefined)
      throw new PeerKvtunerError(
        "PEER_FAILED",
        `expected llama.cpp to run, it refused all types: ${refused[0]?.reason}`,
      );
    const parts = { decoder, encode: tokenizer.encode, decode: tokenizer.decode, peer: first.process };
    const agreement = await checkAgreement(parts, CALIBRATION_PROMPTS[0]!);
    const { release, systemInfo } = first.opened;
    const { version } = settings.package;
    const common = { package: "node-llama-cpp", version, release, systemInfo } as const;
    return { variants, report: { ...common, agreementTypes: first.name, agreement, refused } };
  } catch (error) {
    await Promise.all(variants.map((variant) => variant.dispose()));
    throw error;
  }
};

const startAll = async (
  settings: PeerSettings,
  types: readonly CacheTypes[],
  run: RunContext,
): Promise<{ variants: PeerVariant[]; refused: { types: string; reason: string }[] }> => {
  const variants: PeerVariant[] = [];
  const refused: { types: string; reason: string }[] = [];
  for (const pair of types) {
    run.signal?.throwIfAborted();
    try {
      variants.push(await openPeerVariant(settings, pair));
    } catch (error) {
      if (!(error instanceof PeerKvtunerError) || run.signal?.aborted === true) throw error;
      refused.push({ types: formatCacheTypes(pair), reason: error.message });
      run.warn(`llama.cpp does not run ${formatCacheTypes(pair)}: ${error.message}`);
    }
  }
  return { variants, refused };
};
