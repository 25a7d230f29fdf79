import { formatPair, KvtunerError, MODES, parsePair, type CacheShape, type ModelIdentity } from "@kvtuner/plan";
import { z } from "zod";
import { flagName } from "../option-table.ts";
import type { Objective } from "../pipeline/objectives/objectives.ts";
import { sha256 } from "../sha256.ts";
import { mixedSpace, type Coding } from "../space/mixed-space.ts";
import { exactTokens, type SearchSpace } from "../space/space.ts";
import { reasonOf } from "../storage/reason.ts";
import { readRecord, type StudyStorage } from "../storage/storage.ts";
import type { TaskSettings } from "../tasks/open-task.ts";
import type { TunableModel } from "../tunable-model.ts";
import { searchedCodecs } from "./codecs.ts";
import type { MeasuredStudy } from "./options.ts";

/** Everything that affects the figures of a study. A folder holds one study with one set of settings. */
export interface StudySettings extends Omit<MeasuredStudy, "pairs" | "objective"> {
  readonly version: 2;
  readonly model: ModelIdentity;
  readonly shape: CacheShape;
  readonly pairs: readonly string[];
  readonly sinks: number;
  readonly recent: number;
  /** SHA-256 of the calibration text, `self` for the model's own continuations, `task` for prompts of the task. */
  readonly text: string;
  /** Bytes at the context length near which about a third of the evaluations are spent; null for none. */
  readonly focus: number | null;
  /** With a task: the objective and the settings of the task. */
  readonly objective?: Objective;
  readonly task?: TaskSettings;
}

/** The settings of a run; `text` is the calibration text itself, or undefined for the model's own. */
export const studySettings = async (
  { identity, shape }: Pick<TunableModel, "identity" | "shape">,
  { objective, pairs, ...options }: MeasuredStudy,
  text: string | undefined,
  focus: number | undefined,
  task?: TaskSettings,
): Promise<StudySettings> => ({
  version: 2,
  model: identity,
  shape,
  ...options,
  pairs: pairs.map(formatPair),
  ...exactTokens(options),
  text: text === undefined ? (task ? "task" : "self") : await sha256(text),
  focus: focus ?? null,
  ...(task && { objective, task }),
});

/** The space that a study searches, priced at `context` tokens. `codings` are the settings of methods in it. */
export const spaceOf = (settings: StudySettings, context: number, codings: readonly Coding[] = []): SearchSpace => {
  const known = SPACES.get(codings);
  if (known?.settings === settings && known.context === context) return known.space;
  const { shape, codecs, ...options } = settings;
  const pairs = settings.pairs.map((name) => parsePair(name));
  const space = mixedSpace(shape, searchedCodecs(codecs ?? []).modes, codings, { ...options, pairs, context });
  SPACES.set(codings, { settings, context, space });
  return space;
};

/** The last space of each list of codings: hundreds of choices take a while to mix, and every record is read in them. */
const SPACES = new WeakMap<
  readonly Coding[],
  { readonly settings: StudySettings; readonly context: number; readonly space: SearchSpace }
>();

const SETTINGS = "settings.json";

/**
 * Reads the settings of a study; `undefined` if there is no file.
 *
 * @throws StudySettingsError if the file cannot be read or is not a settings file
 */
export const readSettings = async (storage: StudyStorage): Promise<StudySettings | undefined> => {
  try {
    const settings = await readRecord(storage, SETTINGS);
    if (settings === undefined) return undefined;
    kindSchema.parse(settings);
    versionSchema.parse(settings);
    schema.parse(settings);
    return settings as StudySettings;
  } catch (cause) {
    throw new StudySettingsError(storage.locationOf(SETTINGS), reasonOf(cause), cause);
  }
};

/** Checks only the members that are read before settings are compared; the comparison shows all other differences. */
const schema = z.object({
  model: z.object({ name: z.string() }),
  shape: z.object({ layers: z.int().min(1) }),
  mode: z.enum(MODES),
  pairs: z.array(z.string()),
  context: z.int().min(1),
  samples: z.int().min(1),
  sampleLength: z.int().min(1),
  focus: z.number().nullable(),
});

/** Comparisons keep their settings under the same name. */
const kindSchema = z
  .object({ calibrationSamples: z.unknown().optional() })
  .refine(({ calibrationSamples }) => calibrationSamples === undefined, "the folder holds a comparison, not a study");

const versionSchema = z
  .object({ version: z.int() })
  .refine(({ version }) => version === 2, "another version of KVTuner wrote it");

/**
 * Checks that a study, or a comparison, was made with the same settings.
 *
 * @throws StudyDiffersError naming each setting that differs, with both values.
 */
export const assertSameSettings = (folder: string, theirs: object, ours: object): void => {
  const differing = differingSettings(theirs, ours);
  if (differing.length > 0) throw new StudyDiffersError(folder, differing);
};

/** Each setting that differs, with both values. */
export const differingSettings = (theirs: object, ours: object): string[] => {
  const [before, now] = [flatten(theirs), flatten(ours)];
  const names = [...new Set([...before.keys(), ...now.keys()])];
  const differing = names.filter((name) => name !== SOURCE && before.get(name) !== now.get(name));
  const shown = (value: string | undefined): string => (value === undefined || value === "null" ? "none" : value);
  return differing.map((name) => `${optionOf(name)} ${shown(before.get(name))} there, ${shown(now.get(name))} now`);
};

/** The same file may come from the hub or from this disk; `model.sha256` tells files apart. */
const SOURCE = "model.source";

/** The option that sets a setting: `--sample-length` for sampleLength. Settings of the model keep their name. */
const optionOf = (name: string): string => {
  if (name === "focus") return "--budget or --bits, in bytes,";
  if (name === "task.prompts") return "prompts of all files (--prompts is of each)";
  const ofTask = name === "task.task" ? "task" : name.replace(/^task\./, "");
  if (name === "version" || ofTask.includes(".")) return name;
  return `--${flagName(ofTask)}`;
};

/** Nested names joined by dots (`model.name`), values as JSON. */
const flatten = (value: object, prefix = ""): Map<string, string> =>
  new Map(
    Object.entries(value).flatMap(([name, inner]: [string, unknown]): [string, string][] =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? [...flatten(inner, `${prefix}${name}.`)]
        : [[prefix + name, JSON.stringify(inner)]],
    ),
  );

/** The folder holds a study made with other settings. */
export class StudyDiffersError extends KvtunerError {
  constructor(folder: string, differing: readonly string[]) {
    super(
      "STUDY_DIFFERS",
      `expected a study with the same settings in ${folder}, got different ones: ${differing.join("; ")}; ` +
        "use the same settings to resume it, or another --out folder",
    );
    this.name = "StudyDiffersError";
  }
}

/** settings.json is not a settings file. */
export class StudySettingsError extends KvtunerError {
  constructor(path: string, reason: string, cause?: unknown) {
    super(
      "STUDY_SETTINGS_UNREADABLE",
      `expected the settings of a study in ${path}, but ${reason}; move the folder away`,
      { cause },
    );
    this.name = "StudySettingsError";
  }
}
