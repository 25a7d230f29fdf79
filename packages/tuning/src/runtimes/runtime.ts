import { type CacheShape, FLOAT16, isCoded, type LayerScheme, type TensorScheme } from "@kvtuner/plan";
import type { ChannelRanges } from "./channel-ranges.ts";

/** What a runtime's settings may depend on. */
export interface SettingContext {
  readonly shape: CacheShape;
  /** Largest magnitudes of each layer's keys and values; only for runtimes with `needsRanges`. */
  readonly ranges: readonly ChannelRanges[];
}

/** One way to set a runtime's cache. */
export interface RuntimeSetting {
  /** Names it among the runtime's, briefly. */
  readonly label: string;
  /** One scheme per layer with a cache. */
  readonly layers: readonly LayerScheme[];
  /** What to paste: flags, code or a file. */
  readonly paste: string;
}

/** A runtime, and how it can store a cache. */
export interface Runtime {
  /** Names it on a command line. */
  readonly name: string;
  /** The code or page that defines its settings. */
  readonly source: string;
  /** Whether its settings have scales from calibration. */
  readonly needsRanges?: boolean;
  /** How it rounds the queries of a layer, if it does. */
  readonly queries?: (scheme: LayerScheme) => TensorScheme | undefined;
  /** What heads it cannot quantize at all, in words; for messages. */
  readonly limits: string;
  /** Settings with quantized layers. Those that do not fit the model's heads are dropped afterwards. */
  readonly settings: (context: SettingContext) => readonly RuntimeSetting[];
  /**
   * Settings whose layers differ, made of the uniform ones.
   *
   * @param losses estimated KL, `[setting][layer]`
   */
  readonly mixed?: (
    settings: readonly RuntimeSetting[],
    losses: readonly (readonly number[])[],
    context: SettingContext,
  ) => readonly RuntimeSetting[];
}

/** A layer whose tokens are all coded. */
export const coded = (key: TensorScheme, value: TensorScheme, recent = 0): LayerScheme => ({
  key,
  value,
  residency: { kind: "prefix", sinks: 0, recent },
});

/** A layer in 16 bits. */
export const UNQUANTIZED: LayerScheme = coded(FLOAT16, FLOAT16);

/** Whether anything of a layer is not in 16 bits. */
export const isQuantized = ({ key, value }: LayerScheme): boolean => isCoded(key) || isCoded(value);

/** The same scheme in every layer. */
export const everywhere = ({ layers }: CacheShape, scheme: LayerScheme): LayerScheme[] =>
  Array.from({ length: layers }, () => scheme);

/** Every pair of two lists. */
export const pairsOf = <Item>(keys: readonly Item[], values: readonly Item[] = keys): [key: Item, value: Item][] =>
  keys.flatMap((key) => values.map((value): [Item, Item] => [key, value]));
