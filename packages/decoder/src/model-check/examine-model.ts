import type { CacheShape, KvtunerError } from "@kvtuner/plan";
import { readShape } from "../architecture/attention.ts";
import type { DecoderConfig } from "../architecture/config.ts";
import { nearestArchitecture } from "../architecture/nearest-architecture.ts";
import { readArchitecture } from "../architecture/read-config.ts";
import { assertReadableTensors, assertWhole } from "../architecture/supported-model.ts";
import type { ModelHeader, WeightSource } from "../architecture/weights.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { orFault, orFaultLater } from "./collect-faults.ts";
import { readAs, type ReadAs } from "./read-as.ts";

/** Properties of a model file, and what stands in the way of running it. */
export interface ModelExamination {
  /** Each says what to do. Empty if the model can be run. */
  readonly faults: readonly KvtunerError[];
  /** The header as its own architecture; absent if that is not supported. */
  readonly own?: ReadAs;
  /** The header as the supported architecture of the most similar name, for a file of another architecture. */
  readonly nearest?: ReadAs;
  /** Number of tensors of each type, the most frequent type first. */
  readonly tensorTypes: readonly { readonly type: string; readonly tensors: number }[];
  /** Absent if there are faults beside the tokenizer's. */
  readonly config?: DecoderConfig;
  readonly shape?: CacheShape;
  readonly tokenizer?: Tokenizer;
}

/**
 * Makes the checks that opening a model makes, without stopping at the first fault, and compares the file's tensors with
 * those that its architecture reads. Reads the header, and sink logits.
 */
export const examineModel = async (source: WeightSource): Promise<ModelExamination> => {
  const faults: KvtunerError[] = [];
  orFault(faults, () => assertWhole(source.metadata), undefined);
  orFault(faults, () => assertReadableTensors(source.tensors), undefined);
  const architecture = orFault(faults, () => readArchitecture(source.metadata), undefined);
  const own = architecture && (await readAs(source, architecture));
  faults.push(...(own?.faults ?? []));
  const config = faults.length === 0 ? own?.config : undefined;
  const shape = config && (await orFaultLater(faults, async () => readShape(source, config)));
  const tokenizer = orFault(faults, () => loadTokenizer(source), undefined);
  const nearest = architecture === undefined ? await readAsNearest(source) : undefined;
  return {
    faults,
    ...(own && { own }),
    ...(nearest && { nearest }),
    tensorTypes: countTypes(source),
    ...(config && { config }),
    ...(shape && { shape }),
    ...(tokenizer && { tokenizer }),
  };
};

const readAsNearest = async (header: ModelHeader): Promise<ReadAs | undefined> => {
  const architecture = header.metadata.get("general.architecture");
  const nearest = nearestArchitecture(architecture);
  return nearest && readAs(renamed(header, String(architecture), nearest), nearest);
};

/** The header with the keys of one architecture under the name of another. */
const renamed = ({ metadata, tensors }: ModelHeader, from: string, to: string): ModelHeader => ({
  metadata: new Map(
    [...metadata].map(([key, value]) => [key.startsWith(`${from}.`) ? to + key.slice(from.length) : key, value]),
  ),
  tensors,
});

const countTypes = ({ tensors }: ModelHeader): ModelExamination["tensorTypes"] => {
  const counts = new Map<string, number>();
  for (const { type = "F32" } of tensors.values()) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].map(([type, count]) => ({ type, tensors: count })).toSorted((a, b) => b.tensors - a.tensors);
};
