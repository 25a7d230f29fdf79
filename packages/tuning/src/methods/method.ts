import type { Asset, CacheShape, CodecKind, LayerScheme } from "@kvtuner/plan";
import type { Callbacks } from "../progress.ts";
import type { TunableModel } from "../tunable-model.ts";

/** What a setting that needs calibration learns from. */
export interface Calibration {
  readonly model: TunableModel;
  /** Samples of the calibration text, token ids; at least one. */
  readonly samples: readonly Int32Array[];
  /** Tokens that the cache is for. */
  readonly context: number;
  /** 32-bit integer; the same seed gives the same tables. */
  readonly seed: number;
  readonly callbacks: Callbacks;
}

/** How every layer is stored, with the tables that its schemes name. */
export interface CodedLayers {
  /** One scheme per layer with a cache. */
  readonly layers: readonly LayerScheme[];
  readonly assets?: readonly Asset[];
}

/** A setting that follows from the shape alone. */
export interface StaticSetting {
  /** Names the setting within its method, such as `K4V2`. */
  readonly label: string;
  /** One scheme per layer with a cache. */
  readonly layers: (shape: CacheShape) => readonly LayerScheme[];
}

/** A setting with tables or scales measured on a text. */
export interface CalibratedSetting {
  readonly label: string;
  /** Codec of its coded keys and values: a backend without it need not calibrate. */
  readonly codec: CodecKind;
  readonly calibrate: (calibration: Calibration) => Promise<CodedLayers>;
}

/** One published way to set a method. */
export type MethodSetting = StaticSetting | CalibratedSetting;

/** Whether a setting reads the calibration text, most of them also its gradients. */
export const isCalibrated = (setting: MethodSetting): setting is CalibratedSetting => "calibrate" in setting;

/** A published quantizer of the cache, at the settings that its authors recommend. */
export interface Method {
  /** Names it on a command line: lower case, digits and hyphens. */
  readonly name: string;
  /** Names it in tables and charts, briefly. */
  readonly title: string;
  /** Link to the paper, or to the code that defines it. */
  readonly source: string;
  readonly settings: readonly MethodSetting[];
}

/** The setting with one scheme in every layer. */
export const uniformSetting = (label: string, scheme: LayerScheme): StaticSetting => ({
  label,
  layers: ({ layers }) => Array.from({ length: layers }, () => scheme),
});
