import { KvtunerError } from "@kvtuner/plan";

/** Bytes of a block of 32 numbers, by type: all types that llama.cpp accepts for its cache. */
const BLOCK_BYTES = {
  f32: 128,
  f16: 64,
  bf16: 64,
  q8_0: 34,
  q5_1: 24,
  q5_0: 22,
  q4_1: 20,
  q4_0: 18,
  iq4_nl: 18,
} as const;

const BLOCK_NUMBERS = 32;
const PLAIN = "-noflash";

/** A type that llama.cpp can store keys or values as. */
export type CacheType = keyof typeof BLOCK_BYTES;

/** How llama.cpp stores its cache. */
export interface CacheTypes {
  readonly key: CacheType;
  readonly value: CacheType;
  /** Whether attention is one fused operation. Quantized values need it; float16 may be faster without. */
  readonly flashAttention: boolean;
}

/** Common choices of llama.cpp's users, most exact first. */
export const DEFAULT_CACHE_TYPES: readonly string[] = [
  "f16/f16",
  `f16/f16${PLAIN}`,
  "q8_0/q8_0",
  "q8_0/q4_0",
  "q4_0/q4_0",
];

const TYPES = Object.keys(BLOCK_BYTES) as CacheType[];

/** Every pair of types, with flash attention; and the unquantized ones without. */
const allCacheTypes = (): string[] => [
  ...TYPES.flatMap((key) => TYPES.map((value) => `${key}/${value}`)),
  ...["f32", "f16", "bf16"].map((type) => `${type}/${type}${PLAIN}`),
];

/**
 * Reads names like `q8_0/q4_0` or `f16/f16-noflash`; `all` alone means every pair.
 *
 * @throws PeerTypesError
 */
export const parseCacheTypes = (names: readonly string[]): CacheTypes[] =>
  (names.length === 1 && names[0] === "all" ? allCacheTypes() : [...new Set(names)]).map(parse);

const parse = (text: string): CacheTypes => {
  const flashAttention = !text.endsWith(PLAIN);
  const [key, value, ...rest] = text.slice(0, flashAttention ? undefined : -PLAIN.length).split("/");
  if (rest.length === 0 && isCacheType(key) && isCacheType(value)) return { key, value, flashAttention };
  throw new PeerTypesError(text);
};

const isCacheType = (text: string | undefined): text is CacheType => TYPES.includes(text as CacheType);

/** Writes types as `parseCacheTypes` reads them. */
export const formatCacheTypes = ({ key, value, flashAttention }: CacheTypes): string =>
  `${key}/${value}${flashAttention ? "" : PLAIN}`;

/** Bytes of a token's keys and values in one layer of `width` numbers each. */
export const tokenBytes = ({ key, value }: CacheTypes, width: number): number =>
  (width / BLOCK_NUMBERS) * (BLOCK_BYTES[key] + BLOCK_BYTES[value]);

/** Not a pair of cache types that llama.cpp has. */
export class PeerTypesError extends KvtunerError {
  constructor(text: string) {
    super(
      "OPTION_INVALID",
      `expected --peer-types to be KEY/VALUE[${PLAIN}] with types of ${TYPES.join(", ")}, or all, got ${JSON.stringify(text)}`,
    );
    this.name = "PeerTypesError";
  }
}
