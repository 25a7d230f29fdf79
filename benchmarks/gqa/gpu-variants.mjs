import { openAnswers } from "./gpu-answers.mjs";
import { newToken } from "./new-token.mjs";
import { ortGpuAttention } from "./ort-gpu-attention.mjs";
import { ourGpuAttention } from "./our-gpu-attention.mjs";

const SEED = 3;

/** The cache that holds the numbers as they are. */
const EXACT = "none";

/** Bits of ONNX Runtime's cache; 0 is the cache in numbers of the rows' type. */
const CACHE_BITS = [0, 8, 4];

/** Largest error of a right answer: of kernels from the numbers as they are stored, of ONNX Runtime from those before, so with its bits. */
const LARGEST = { float32: 1e-3, float16: 1e-2, 8: 5e-2, 4: 0.5 };

/**
 * Opens what is compared, asks each for one answer, and holds it against the reference. What of ONNX Runtime is refused, or answers
 * wrongly, is left out with the reason; of ours, it ends the benchmark.
 *
 * @returns `{ variants, refused }`, variants with `error`, from exact attention over the numbers before they were quantized
 */
export const openVariants = async ({ sizes, plans, reference, ...sides }) => {
  const setting = { ...sizes, token: newToken(sizes.shape), seed: SEED };
  const answers = openAnswers(reference, setting);
  const exact = await answers.rightOf(EXACT);
  const [variants, refused] = [[], []];
  for (const plan of plans) variants.push(await checkedOurs(sides, { ...setting, plan }, answers, exact));
  for (const cacheBits of CACHE_BITS)
    try {
      variants.push(await checkedOrt(sides, { ...ortSetting(setting), cacheBits }, answers, exact));
    } catch (error) {
      refused.push({
        name: `onnxruntime, ${cacheBits > 0 ? `${cacheBits} bits` : sides.rowType}`,
        reason: error.message,
      });
    }
  return { variants, refused };
};

const checkedOurs = async ({ backend }, setting, answers, exact) => {
  const ours = await ourGpuAttention(backend, setting);
  const output = await ours.answer();
  const largest = backend.kernels.startsWith("f16") ? LARGEST.float16 : LARGEST.float32;
  assertRight(ours.name, answers.errorOf(output, await answers.rightOf(setting.plan)), largest);
  return { ...ours, error: answers.errorOf(output, exact) };
};

const checkedOrt = async ({ ort, device, rowType }, setting, answers, exact) => {
  const theirs = await ortGpuAttention(ort, device, { ...setting, rowType });
  const error = answers.errorOf(await theirs.answer(), exact);
  assertRight(theirs.name, error, LARGEST[setting.cacheBits || rowType]);
  return { ...theirs, error };
};

/** The batch as ONNX Runtime has it. */
const ortSetting = ({ shape, batch, ...others }) => ({
  ...others,
  shape: { ...shape, batch, queryHeads: shape.queryHeads / batch, kvHeads: shape.kvHeads / batch },
});

const assertRight = (name, error, largest) => {
  if (!(error <= largest)) throw new Error(`${name} is wrong: it differs from what is right by ${error}`);
};
