import { type Asset, type CacheShape, formatShorthand, type LayerScheme } from "@kvtuner/plan";
import { EXACT } from "./halves.ts";
import { choiceId, pricedSpace, schemeAt, type Choice, type SearchSpace, type SpaceOptions } from "./space.ts";

/** A setting as a choice of layers, by the name of the setting or, where there is one, by shorthand. */
export const choiceOf = (name: string, { layers }: { readonly layers: readonly LayerScheme[] }): Choice => {
  const [scheme] = layers;
  const isUniform = layers.every((layer) => JSON.stringify(layer) === JSON.stringify(scheme));
  const id = isUniform ? formatShorthand(scheme!) : undefined;
  if (id !== undefined) return { id, label: name, scheme: scheme! };
  return { id: name, label: name, scheme: scheme!, layers, halves: { key: `${name}/K`, value: `${name}/V` } };
};

/**
 * Choices, and the keys of each beside the values of each other that keeps the same tokens exact in every layer. Equal keys, or
 * values, of several choices count once.
 */
export const crossed = (choices: readonly Choice[], layers: number): Choice[] => {
  const keys = distinctHalves(choices, layers, "key");
  const values = distinctHalves(choices, layers, "value");
  const own = new Set(choices.map((choice) => contentOf(choice, layers, "key") + contentOf(choice, layers, "value")));
  const mixes = keys.flatMap((key) =>
    values
      .filter((value) => value.tokens === key.tokens && !own.has(key.content + value.content))
      .map((value) => mixed(key, value, layers)),
  );
  return [...choices, ...mixes];
};

/** The keys, or values, of a choice. */
interface HalfChoice {
  readonly choice: Choice;
  /** Names it in study records. */
  readonly id: string;
  /** Names it for people, such as `compact:K4`. */
  readonly label: string;
  /** Schemes of all layers. */
  readonly content: string;
  /** Tokens kept in 16 bits, by layer. */
  readonly tokens: string;
}

type Tensor = "key" | "value";

const distinctHalves = (choices: readonly Choice[], layers: number, tensor: Tensor): HalfChoice[] => {
  const distinct = new Map<string, HalfChoice>();
  for (const choice of choices) {
    const content = contentOf(choice, layers, tensor);
    if (distinct.has(content)) continue;
    const tokens = JSON.stringify(Array.from({ length: layers }, (_, layer) => schemeAt(choice, layer).residency));
    distinct.set(content, { choice, ...namesOf(choice, tensor), content, tokens });
  }
  return [...distinct.values()];
};

const contentOf = (choice: Choice, layers: number, tensor: Tensor): string => {
  const [first, ...others] = Array.from({ length: choice.layers ? layers : 1 }, (_, layer) => {
    const scheme = schemeAt(choice, layer);
    return JSON.stringify([scheme[tensor], scheme.residency]);
  });
  return others.every((other) => other === first) ? first! : [first, ...others].join();
};

const namesOf = ({ scheme, label, halves }: Choice, tensor: Tensor): Pick<HalfChoice, "id" | "label"> => {
  if (halves) return { id: halves[tensor], label };
  const id = choiceId(tensor === "key" ? { ...scheme, value: EXACT.value } : { ...scheme, key: EXACT.key });
  const short = id.replace(/\+.*/, "");
  return { id, label: tensor === "key" ? short.replace(/V16$/, "") : short.replace(/K16(?=V\d+$)/, "") };
};

const mixed = (key: HalfChoice, value: HalfChoice, layers: number): Choice => {
  const schemeOf = (layer: number): LayerScheme => ({
    ...schemeAt(key.choice, layer),
    value: schemeAt(value.choice, layer).value,
  });
  const scheme = schemeOf(0);
  const shorthand = (key.choice.halves ?? value.choice.halves) ? undefined : formatShorthand(scheme);
  if (shorthand !== undefined) return { id: shorthand, label: shorthand, scheme };
  return {
    id: `${key.id} ${value.id}`,
    label: `${key.label} / ${withoutWordsOf(key.label, value.label)}`,
    scheme,
    layers: Array.from({ length: layers }, (_, layer) => schemeOf(layer)),
    halves: { key: key.id, value: value.id },
  };
};

/** The label without the words that the other one begins with too: `3` beside `transform:channels 2.5`. */
const withoutWordsOf = (named: string, label: string): string => {
  const words = label.split(/(?<=[: ])/);
  const last = words.length - 1;
  const shared = words.findIndex((_, index) => index === last || !named.startsWith(words.slice(0, index + 1).join("")));
  return words.slice(shared).join("");
};

/** The distinct choices with their costs, and static tables that their schemes name. */
export const codedSpace = (
  shape: CacheShape,
  { choices, assets }: { readonly choices: readonly Choice[]; readonly assets: readonly Asset[] },
  priced: Pick<SpaceOptions, "context" | "cost">,
): SearchSpace => {
  const distinct = new Map(choices.map((choice) => [choice.id, choice]));
  const tables = new Map(assets.map((asset) => [asset.name, asset]));
  return { ...pricedSpace(shape, [...distinct.values()], priced), assets: [...tables.values()] };
};
