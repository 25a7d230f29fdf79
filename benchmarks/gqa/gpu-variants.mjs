import { openAnswers } from "./gpu-answers.mjs";
import { newToken } from "./new-token.mjs";
import { ortGpuAttention } from "./ort-gpu-attention.mjs";
import { ourGpuAttention } from "./our-gpu-attention.mjs";

const SEED = 3;

/** The cache that stores the numbers unchanged. */
const EXACT = "none";

/** Bits of ONNX Runtime's cache; 0 is a cache in the rows' type. */
const CACHE_BITS = [0, 8, 4];

/** Largest accepted error: of our kernels, relative to the stored numbers; of ONNX Runtime, to those before quantization. */
const LARGEST = { float32: 1e-3, float16: 1e-2, 8: 5e-2, 4: 0.5 };

/**
 * Opens everything to compare, gets one answer from each, and compares it with the reference. Variants of ONNX Runtime that are
 * refused or wrong are left out with the reason; a wrong one of ours ends the benchmark.
 *
 * @returns `{ variants, refused }`; each variant has `error`, relative to exact attention over the numbers before quantization
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

/** The batch as ONNX Runtime sees it. */
const ortSetting = ({ shape, batch, ...others }) => ({
  ...others,
  shape: { ...shape, batch, queryHeads: shape.queryHeads / batch, kvHeads: shape.kvHeads / batch },
});

const assertRight = (name, error, largest) => {
  if (!(error <= largest)) throw new Error(`${name} is wrong: it differs from the exact answer by ${error}`);
};
