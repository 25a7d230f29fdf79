import { bitsOfBytes, describeLimit, type Limit, type SearchSpace, type StudyContents } from "@kvtuner/tuning";
import { tokensText } from "../text/figures.ts";

/** A limit of true bits, and its name. */
export interface BitsLimit {
  readonly bits: number;
  readonly text: string;
}

/**
 * The limit on an axis of true bits, in a space priced at the context shown; undefined if it cannot be drawn there. A budget
 * overrides the study's own limit: it is what the reader asks about.
 */
export const bitsLimit = (
  { request, settings }: Pick<StudyContents, "request" | "settings">,
  space: SearchSpace,
  budget: number | undefined,
): BitsLimit | undefined => {
  if (budget !== undefined) return { bits: bitsOfBytes(space, budget), text: "budget" };
  const bits = request && trueBitsOf(request.limit, space, settings.context);
  return bits === undefined || request === undefined ? undefined : { bits, text: describeLimit(request.limit) };
};

/** A limit of true bits holds only at the study's context; one of equivalent bits holds at any. */
const trueBitsOf = (limit: Limit, space: SearchSpace, context: number): number | undefined => {
  if (limit.kind === "bits") return space.context === context ? limit.bits : undefined;
  return limit.kind === "equivalent-bits" ? trueBitsAt(limit.bits, space) : undefined;
};

/** Bytes that differ by less than this share differ only by rounding. */
const ROUNDING = 1e-9;

/**
 * True bits of all plans with `equivalent` bits. They are one number if each bit of keys or values costs the same in every
 * layer, as with one scale and minimum per token and layers of equal sizes; otherwise undefined.
 */
const trueBitsAt = (equivalentBits: number, space: SearchSpace): number | undefined => {
  const { codeBits, bytes, shape } = space;
  const bits = codeBits[0] ?? [];
  const [few, many] = [Math.min(...bits), Math.max(...bits)];
  const bytesWith = (count: number, layer: number): number => bytes[layer]?.[bits.indexOf(count)] ?? Number.NaN;
  const slope = (bytesWith(many, 0) - bytesWith(few, 0)) / (many - few);
  const isOneLine = bytes.every((costs, layer) =>
    costs.every((cost, choice) => {
      const expected = bytesWith(few, layer) + slope * ((bits[choice] ?? Number.NaN) - few);
      return Math.abs(expected - cost) <= ROUNDING * cost;
    }),
  );
  const least = bytes.reduce((sum, _, layer) => sum + bytesWith(few, layer), 0);
  return isOneLine ? bitsOfBytes(space, least + shape.layers * slope * (2 * equivalentBits - few)) : undefined;
};

/** The limit as a sentence, if no line in a chart of true bits shows it. */
export const limitInWords = (shown: ShownLimit): string => {
  const { request, limit } = shown;
  if (request === undefined || limit?.text === describeLimit(request.limit)) return "";
  const more = wordsOnly(request.limit, shown);
  return more === undefined ? "" : ` The picked plan must have ${describeLimit(request.limit)}${more}.`;
};

type ShownLimit = Pick<StudyContents, "request" | "settings"> & { readonly limit: BitsLimit | undefined };

/** What to add to a limit that no line shows. Undefined if bytes are shown as a budget, or there is no limit. */
const wordsOnly = ({ kind }: Limit, { settings, limit }: ShownLimit): string | undefined => {
  if (kind === "bytes" || kind === "knee") return undefined;
  if (kind === "bits") return ` at ${tokensText(settings.context)} tokens`;
  return kind === "equivalent-bits" && limit === undefined ? `, ${NO_LINE}` : "";
};

const NO_LINE = "for which no line is drawn: pairs with equal code bits differ in true bits";
