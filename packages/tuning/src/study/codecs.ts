import { MODES, type Mode } from "@kvtuner/plan";
import { isCalibrated, type Method, type MethodSetting } from "../methods/method.ts";
import { METHODS } from "../methods/registry.ts";
import { OptionError } from "../option-values.ts";

/** Every mode and the settings of every method. */
export const ALL_CODECS = "all";

/** A setting of a method, searched beside the pairs of modes. */
export interface SearchedSetting {
  readonly method: Method;
  readonly setting: MethodSetting;
}

/** What a study searches. */
export interface SearchedCodecs {
  /** Modes whose pairs are searched; the first one's tokens in 16 bits are those of all. */
  readonly modes: readonly Mode[];
  readonly settings: readonly SearchedSetting[];
}

const isMode = (name: string): name is Mode => MODES.some((mode) => mode === name);

/** Methods that are no modes: those of modes are searched by their pairs. */
const OTHER_METHODS = METHODS.filter(({ name }) => !isMode(name));

/** Names that {@link searchedCodecs} knows, without settings. */
export const CODEC_NAMES: readonly string[] = [ALL_CODECS, ...MODES, ...OTHER_METHODS.map(({ name }) => name)];

/** The mode that `all` begins with: it keeps the first and newest tokens exact, as transform coding does, so that both mix. */
const FIRST_OF_ALL: Mode = "compact";

/**
 * What names of modes and methods, and `METHOD:SETTING`, stand for. The first words of settings, such as `transform:channels`, stand for all
 * of them.
 *
 * @throws OptionError for another name
 */
export const searchedCodecs = (names: readonly string[]): SearchedCodecs => {
  const found = names.map(codecsOf);
  const settings = found.flatMap((own) => own.settings);
  return {
    modes: [...new Set(found.flatMap(({ modes }) => modes))],
    settings: [...new Map(settings.map((one) => [settingName(one), one])).values()],
  };
};

/** Whether tables are fitted to text before the search. */
export const isFitted = (settings: readonly SearchedSetting[]): boolean =>
  settings.some(({ setting }) => isCalibrated(setting));

/** The name of a setting, such as `kvquant:nuq3-1%`. */
export const settingName = ({ method, setting }: SearchedSetting): string => `${method.name}:${setting.label}`;

const codecsOf = (name: string): SearchedCodecs => {
  if (name === ALL_CODECS)
    return {
      modes: [FIRST_OF_ALL, ...MODES.filter((mode) => mode !== FIRST_OF_ALL)],
      settings: OTHER_METHODS.flatMap(settingsOf),
    };
  if (isMode(name)) return { modes: [name], settings: [] };
  const [methodName] = name.split(":", 1);
  const method = METHODS.find((known) => known.name === methodName);
  if (method === undefined) throw new OptionError("codecs", `one of ${CODEC_NAMES.join(", ")}`, JSON.stringify(name));
  if (methodName === name) return { modes: [], settings: settingsOf(method) };
  const settings = settingsNamed(settingsOf(method), name);
  if (settings.length > 0) return { modes: [], settings };
  const known = method.settings.map(({ label }) => label).join(", ");
  throw new OptionError("codecs", `a setting of ${methodName} (${known})`, JSON.stringify(name));
};

/** The settings that a name of a method, of a setting, or of the first words of several, stands for. */
export const settingsNamed = (settings: readonly SearchedSetting[], name: string): SearchedSetting[] => {
  const own = settings.filter((one) => one.method.name === name || settingName(one) === name);
  return own.length > 0 ? own : settings.filter((one) => settingName(one).startsWith(`${name} `));
};

const settingsOf = (method: Method): SearchedSetting[] => method.settings.map((setting) => ({ method, setting }));
