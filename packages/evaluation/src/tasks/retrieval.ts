import { seededRandom } from "@kvtuner/decoder";
import { KvtunerError } from "@kvtuner/plan";
import type { TaskItem } from "./task-item.ts";

/**
 * What is hidden in a long text, and asked for at its end.
 *
 * - `key-value`: one of many pairs such as `k7=4821;`, as in the embedded model's recall tasks
 * - `multi-hop`: a key that has the value of another, which has the value of a third
 * - `passkey`: a number in a sentence among sentences of other matters
 *   (Mohtashami and Jaggi, 2023, https://arxiv.org/abs/2305.16300)
 */
export const RETRIEVAL_KINDS = ["key-value", "multi-hop", "passkey"] as const;

/** One of {@link RETRIEVAL_KINDS}. */
export type RetrievalKind = (typeof RETRIEVAL_KINDS)[number];

/** Prompts that are alike but for what is hidden. */
export interface RetrievalCell {
  readonly kind: RetrievalKind;
  /** Most tokens of a prompt. */
  readonly tokens: number;
  /** Where the answer is hidden: from 0, the beginning, to 1, right before the question. */
  readonly depth: number;
}

/** How many prompts, and of which seed. */
export interface RetrievalOptions {
  readonly prompts: number;
  /** 32-bit integer; the same seed gives the same prompts. */
  readonly seed: number;
}

/**
 * Prompts of a cell: as many lines of other matters as fit its tokens, with the answer at its depth.
 *
 * @param encode the model's tokenizer, which decides what fits
 * @throws RetrievalError `RETRIEVAL_TOO_SHORT` when not even two lines fit
 */
export const retrievalItems = (
  encode: (text: string) => ArrayLike<number>,
  cell: RetrievalCell,
  { prompts, seed }: RetrievalOptions,
): TaskItem[] => {
  const random = seededRandom((seed + 7919 * Math.round(1000 * cell.depth) + cell.tokens) >>> 0);
  const drawn = Array.from({ length: prompts }, () => Math.floor(2 ** 32 * random()));
  const promptOf = (index: number, lines: number): Retrieval =>
    MAKERS[cell.kind](lines, cell.depth, seededRandom(drawn[index]!));
  const fits = (index: number, lines: number): boolean => encode(promptOf(index, lines).prompt).length <= cell.tokens;
  let lines = mostLines((count) => fits(0, count));
  return drawn.map((_, index) => {
    while (lines > LEAST_LINES && !fits(index, lines)) lines--;
    if (lines < LEAST_LINES || !fits(index, lines)) throw tooShort(cell);
    return { ...promptOf(index, lines), compare: "exact", line: index + 1 };
  });
};

const LEAST_LINES = 2;

/** The largest count that fits, below {@link LEAST_LINES} if none does. */
const mostLines = (fits: (lines: number) => boolean): number => {
  let [most, beyond] = [LEAST_LINES - 1, LEAST_LINES];
  while (fits(beyond)) [most, beyond] = [beyond, 2 * beyond];
  while (beyond - most > 1) {
    const middle = Math.floor((most + beyond) / 2);
    if (fits(middle)) most = middle;
    else beyond = middle;
  }
  return most;
};

type Retrieval = Pick<TaskItem, "prompt" | "answer" | "stop">;

/** Makes a prompt of a number of lines, with the answer at a depth. */
type Maker = (lines: number, depth: number, random: () => number) => Required<Retrieval>;

const keyValue: Maker = (lines, depth, random) => {
  const keys = distinctKeys(lines, random);
  const values = keys.map(() => digits(4, random));
  const hidden = Math.round(depth * (lines - 1));
  return { prompt: asked(pairs(keys, values), keys[hidden]!), answer: values[hidden]!, stop: ";" };
};

/** The value at the depth; the two references to it after that, among other pairs. */
const HOPS = 2;

const multiHop: Maker = (lines, depth, random) => {
  const keys = distinctKeys(lines + HOPS, random);
  const values = keys.map(() => digits(4, random));
  const last = lines + HOPS - 1;
  const first = Math.round(depth * (last - HOPS));
  const middle = first + 1 + Math.floor(random() * (last - first - 1));
  const final = middle + 1 + Math.floor(random() * (last - middle));
  const answer = values[first]!;
  values[middle] = keys[first]!;
  values[final] = keys[middle]!;
  return { prompt: asked(pairs(keys, values), keys[final]!), answer, stop: ";" };
};

const pairs = (keys: readonly string[], values: readonly string[]): string =>
  keys.map((key, index) => `${key}=${values[index]};`).join("");

const asked = (text: string, key: string): string => `${text}\n?${key}=`;

const passkey: Maker = (lines, depth, random) => {
  const key = digits(5, random);
  const sentences = Array.from({ length: lines }, () => pick(SENTENCES, random));
  sentences.splice(Math.round(depth * lines), 0, `The pass key is ${key}. Remember it: ${key} is the pass key.`);
  const text = sentences.join(" ");
  return {
    prompt: `There is a pass key hidden in this text. Find it and remember it.\n\n${text}\n\nWhat is the pass key? The pass key is`,
    answer: ` ${key}`,
    stop: ".",
  };
};

const SENTENCES = [
  "The ferry leaves the harbour at nine and returns before dark.",
  "Most of the apples in the orchard are picked by hand.",
  "A letter took three days to reach the village in winter.",
  "The old mill was rebuilt after the flood and now grinds rye.",
  "Children walk to school along the river when it is warm.",
  "The baker opens early because the fishermen buy bread at dawn.",
  "In spring the meadows turn yellow before they turn green.",
  "The library lends maps, records and a telescope.",
  "Wool from the hills is dyed blue in the town.",
  "Rain fell for a week and the road to the north was closed.",
  "The clock in the tower has been slow since the storm.",
  "Two cats live in the station and nobody knows whose they are.",
  "The carpenter keeps his best wood under the roof.",
  "Travellers stop at the inn for soup and dry shoes.",
  "Honey from the valley tastes of thyme and chestnut.",
  "The choir sings in the square on the first day of summer.",
];

const MAKERS: Readonly<Record<RetrievalKind, Maker>> = { "key-value": keyValue, "multi-hop": multiHop, passkey };

const LETTERS = Array.from({ length: 26 }, (_, index) => String.fromCodePoint(97 + index));

/** A letter and a digit as far as those last, then a letter and more digits. */
const distinctKeys = (count: number, random: () => number): string[] => {
  const length = Math.max(1, Math.ceil(Math.log10(count / LETTERS.length / SPARE)));
  const keys = new Set<string>();
  while (keys.size < count) keys.add(`${pick(LETTERS, random)}${digits(length, random)}`);
  return [...keys];
};

/** Keys that are drawn, at most, of all that there are: drawing the last ones would take long. */
const SPARE = 0.8;

const digits = (count: number, random: () => number): string =>
  Array.from({ length: count }, () => Math.floor(10 * random())).join("");

const pick = <Item>(items: readonly Item[], random: () => number): Item => items[Math.floor(items.length * random())]!;

const tooShort = ({ kind, tokens }: RetrievalCell): RetrievalError =>
  new RetrievalError(
    `expected room for a ${kind} prompt of at least ${LEAST_LINES} lines, got ${tokens} tokens; use a larger length`,
  );

/** A prompt does not fit its tokens. */
export class RetrievalError extends KvtunerError {
  constructor(message: string) {
    super("RETRIEVAL_TOO_SHORT", message);
    this.name = "RetrievalError";
  }
}
