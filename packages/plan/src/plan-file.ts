import { z } from "zod";
import { assetName, parseAssets } from "./asset-file.ts";
import type { Asset } from "./asset.ts";
import { type FieldValues, literalsOf } from "./codecs/codec-format.ts";
import { FORMATS, schemeFault } from "./codecs/registry.ts";
import { PlanFileError } from "./plan-file-error.ts";
import type { ModelIdentity, Plan } from "./plan.ts";
import { cachePlaces } from "./recurrent.ts";
import { assertAssetsFit } from "./scheme-assets.ts";
import type { CacheShape } from "./scheme.ts";
import { layerShape, shapeDifferences, sizesOf, tensorShape } from "./shape.ts";

const VERSION = 2;

const count = z.int().positive();

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A bare name: a plan must not name files in other folders. */
const assetReference = z
  .strictObject({ file: z.string().regex(/^[A-Za-z0-9][\w.-]*\.safetensors$/), sha256 })
  .meta({ description: "Static tables of the plan: a safetensors file in the same folder, and its SHA-256." });

/** A plan's asset file: its name, and the file's SHA-256 in hexadecimal. */
export interface AssetReference {
  readonly file: string;
  readonly sha256: string;
}

/** Bytes of an asset file, and their SHA-256 in hexadecimal. */
export interface AssetFile {
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

const fieldSchema = (values: FieldValues): z.ZodType => {
  const literals = literalsOf(values);
  const choices: z.ZodType[] = [
    ...(values.includes("count") ? [count] : []),
    ...(values.includes("share") ? [z.number().positive().max(1)] : []),
    ...(values.includes("numbers") ? [z.array(z.number().nonnegative()).min(1)] : []),
    ...(values.includes("asset") ? [assetName] : []),
    ...(literals.length > 0 ? [z.literal(literals)] : []),
  ];
  return choices.length > 1 ? z.union(choices) : choices[0]!;
};

/** One object for each codec, from the fields of its format. */
const codecSchemas = Object.values(FORMATS).map(({ kind, fields, defaults = {} }) =>
  z.strictObject({
    kind: z.literal(kind),
    ...Object.fromEntries(
      Object.entries<FieldValues>(fields).map(([name, values]) => {
        const field = fieldSchema(values);
        return [name, name in defaults ? field.optional() : field];
      }),
    ),
  }),
);

const tensorScheme = z
  .discriminatedUnion("kind", codecSchemas as [(typeof codecSchemas)[number], ...typeof codecSchemas])
  .meta({ description: "How the keys, or the values, of one layer are coded." });

const residency = z
  .strictObject({ kind: z.literal("prefix"), sinks: z.int().nonnegative(), recent: z.int().nonnegative() })
  .meta({ description: "First and newest tokens kept in 16 bits." });

const layerScheme = z
  .strictObject({ key: tensorScheme, value: tensorScheme, residency })
  .meta({ description: "One layer: keys, values, and which tokens are kept in 16 bits." });

const sizes = {
  queryHeads: count,
  kvHeads: count,
  headSize: count,
  valueSize: count.optional().meta({ description: "Numbers in a value; as many as in a key if absent." }),
  span: count.optional().meta({ description: "Tokens that a query reads, its own included; all tokens if absent." }),
};

const planFile = z
  .strictObject({
    $schema: z.string().optional(),
    version: z.literal(VERSION),
    model: z.strictObject({
      name: z.string(),
      architecture: z.string(),
      sha256: sha256.optional(),
      source: z.string().optional(),
    }),
    shape: z.strictObject({
      layers: count,
      ...sizes,
      perLayer: z.array(z.strictObject(sizes).partial()).optional(),
      places: z.array(z.int().nonnegative()).optional().meta({
        description: "Place of each layer among all layers of the model, of which others have no cache.",
      }),
    }),
    layers: z.array(layerScheme).min(1),
    assets: assetReference.optional(),
    measured: z
      .strictObject({
        kl: z.number().nonnegative(),
        klStandardError: z.number().optional(),
        top1: z.number().optional(),
        perplexity: z.number().optional(),
        contextLength: count,
        text: z.string(),
      })
      .optional(),
  })
  .meta({ title: "KVTuner plan", description: "One layer scheme per attention layer, with the model it belongs to." });

/** The JSON Schema (draft 2020-12) of a plan file, as published in `plan.schema.json`. */
export const planSchema = (): object => z.toJSONSchema(planFile);

/**
 * Reads a plan from JSON text or parsed JSON.
 *
 * @param openAssets reads the asset file that the plan names; returns undefined if there is none
 * @throws PlanFileError `PLAN_NOT_JSON`, `PLAN_UNKNOWN_VERSION`, `PLAN_INVALID` with the path of the fault,
 *   `PLAN_ASSETS_MISSING`, `PLAN_ASSETS_DAMAGED`, `PLAN_ASSETS_UNFIT`
 */
export const parsePlan = (input: unknown, openAssets?: (file: string) => AssetFile | undefined): Plan => {
  const data = typeof input === "string" ? parseJson(input) : input;
  assertVersion(data);
  const result = planFile.safeParse(data);
  if (!result.success) throw invalid(result.error.issues[0]!);
  const { $schema: _, assets, ...plan } = result.data;
  const complete = plan as Plan;
  assertConsistency(complete);
  const whole = assets ? { ...complete, assets: readAssets(assets, openAssets?.(assets.file)) } : complete;
  assertAssets(whole);
  return whole;
};

const readAssets = ({ file, sha256: expected }: AssetReference, got: AssetFile | undefined): Asset[] => {
  if (!got)
    throw new PlanFileError(
      "PLAN_ASSETS_MISSING",
      `expected the plan's asset file ${file}, got none; put it in the folder of the plan file`,
    );
  if (got.sha256 !== expected)
    throw new PlanFileError(
      "PLAN_ASSETS_DAMAGED",
      `expected ${file} with SHA-256 ${expected.slice(0, 12)}, got ${got.sha256.slice(0, 12)}; copy the plan file and ${file} again, from where they were made`,
    );
  return parseAssets(got.bytes);
};

/**
 * Writes a plan as JSON text, indented by two spaces, with a final newline.
 *
 * @param reference The file that holds `serializeAssets(plan.assets)`; needed when the plan has assets.
 * @throws PlanFileError `PLAN_ASSETS_MISSING` when the plan has assets but no file is given
 */
export const serializePlan = ({ assets = [], ...plan }: Plan, reference?: AssetReference): string => {
  if (assets.length > 0 && !reference)
    throw new PlanFileError(
      "PLAN_ASSETS_MISSING",
      "expected a file for the plan's assets, got none; write serializeAssets(plan.assets) to one and pass its name and SHA-256",
    );
  const shape = { ...sizesOf(plan.shape), ...ownPlaces(plan.shape) };
  const file = { ...plan, shape, ...(assets.length > 0 && { assets: reference }) };
  return `${JSON.stringify(file, null, 2)}\n`;
};

const ownPlaces = (shape: CacheShape): Pick<CacheShape, "places"> => {
  const places = cachePlaces(shape);
  return places.some((place, layer) => place !== layer) ? { places } : {};
};

/**
 * Checks that a plan was made for a model: the shape must be equal, and the hash where both have one.
 *
 * @throws PlanFileError `PLAN_FOR_ANOTHER_MODEL`
 */
export const assertPlanForModel = (plan: Plan, model: ModelIdentity, shape: CacheShape): void => {
  const differences = shapeDifferences(plan.shape, shape);
  if (plan.model.architecture !== model.architecture)
    differences.push(`architecture ${plan.model.architecture} in the plan, ${model.architecture} in the model`);
  if (plan.model.sha256 !== undefined && model.sha256 !== undefined && plan.model.sha256 !== model.sha256)
    differences.push(`file ${plan.model.sha256.slice(0, 12)} in the plan, ${model.sha256.slice(0, 12)} here`);
  if (differences.length === 0) return;
  throw new PlanFileError(
    "PLAN_FOR_ANOTHER_MODEL",
    `expected a plan for ${model.name}, got one for ${plan.model.name} (${differences.join("; ")}); tune this model, or use the plan's own model`,
  );
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, "")); // Some editors write a byte order mark.
  } catch (cause) {
    throw new PlanFileError("PLAN_NOT_JSON", `expected a plan in JSON: ${String(cause)}`, { cause });
  }
};

const assertVersion = (data: unknown): void => {
  const version = typeof data === "object" && data !== null && "version" in data ? data.version : undefined;
  if (version === undefined || version === VERSION) return;
  throw new PlanFileError(
    "PLAN_UNKNOWN_VERSION",
    `expected a plan of version ${VERSION}, got ${JSON.stringify(version)}, which another version of KVTuner wrote; tune the model again with this one`,
  );
};

const assertAssets = ({ layers, shape, assets }: Plan): void => {
  for (const [index, layer] of layers.entries())
    for (const tensor of ["key", "value"] as const)
      try {
        assertAssetsFit(layer[tensor], tensorShape(layerShape(shape, index), tensor), assets);
      } catch (cause) {
        throw new PlanFileError("PLAN_ASSETS_UNFIT", `layers.${index}.${tensor}: ${(cause as Error).message}`, {
          cause,
        });
      }
};

const assertConsistency = ({ layers, shape }: Plan): void => {
  if (layers.length !== shape.layers)
    throw new PlanFileError(
      "PLAN_INVALID",
      `expected layers to have shape.layers = ${shape.layers} entries, got ${layers.length}`,
    );
  if (shape.perLayer && shape.perLayer.length !== shape.layers)
    throw new PlanFileError(
      "PLAN_INVALID",
      `expected shape.perLayer to have shape.layers = ${shape.layers} entries, got ${shape.perLayer.length}`,
    );
  const { places = [...layers.keys()] } = shape;
  if (places.length !== shape.layers || places.some((place, layer) => layer > 0 && place <= places[layer - 1]!))
    throw new PlanFileError(
      "PLAN_INVALID",
      `expected shape.places to be shape.layers = ${shape.layers} ascending numbers, got ${places.join(", ")}`,
    );
  for (const [index, layer] of layers.entries())
    for (const tensor of ["key", "value"] as const) {
      const fault = schemeFault(layer[tensor], tensorShape(layerShape(shape, index), tensor));
      if (fault) throw new PlanFileError("PLAN_INVALID", `expected layers.${index}.${tensor} ${fault}`);
    }
};

const invalid = ({
  path,
  message,
}: {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}): PlanFileError =>
  new PlanFileError(
    "PLAN_INVALID",
    `expected a plan as plan.schema.json describes it; at ${path.map(String).join(".") || "the top"}: ${message}`,
  );
