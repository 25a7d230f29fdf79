// Writes the kernels that sum panels, in AssemblyScript. Loops are unrolled over heads, output groups and k. Each number of bits, number
// of heads and half of the outputs has a function of its own, so that accumulators stay in registers. The order of statements
// decides which registers engines use: another order cost up to 25% of the time.
import { BYTES, PAIRS, WORDS } from "./panel-kinds.mjs";

const ARGUMENTS = "codes, count, x, stride, panels, panelBytes";
const PARAMETERS = "codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize";

/** Statements for each head that a kernel may have; those after the first only if it has so many. */
const forHeads = ({ heads }, statements) =>
  ["a", "b", "c", "d"]
    .slice(0, Math.max(...heads))
    .map((head, index) => (index === 0 ? statements(head, 0) : `if (HEADS > ${index}) { ${statements(head, index)} }`))
    .join("\n");

/** What a step adds to the accumulators of a head: codes of two output groups times each 32 bits of its factors. */
const products = ({ factorWords }, [u, w], step, head, index) =>
  Array.from({ length: factorWords }, (_, word) => {
    const [first, second] = [`${head}${2 * word}`, `${head}${2 * word + 1}`];
    const factors = `v128.load32_splat(x${index}, ${4 * (step * factorWords + word)})`;
    return `s = ${factors}; ${first} = add(${first}, ${u}, s); ${second} = add(${second}, ${w}, s);`;
  }).join(" ");

const kernel = (kind, name, { parameters, begin, turn, declare, codes, steps }) => `
// @ts-ignore: decorator
@inline
function ${name}(HEADS: i32, ${parameters}${PARAMETERS}${kind.sums.parameter}): void {
${begin.join("\n")}
const bytes = (<usize>count / ${turn.k}) * ${turn.bytes};
let out = ${kind.sums.name} + ${turn.out};
for (let panel = 0; panel < panels; panel++) {
let at = codes;
const end = codes + bytes;
${Array.from({ length: Math.max(...kind.heads) }, (_, index) => `let x${index} = ${index === 0 ? "x" : `x${index - 1} + stride`};`).join("\n")}
${accumulators(kind)}
while (at < end) {
let s: v128; ${declare}
${steps.map((unpack, step) => `${unpack.join("\n")}\n${forHeads(kind, (head, index) => products(kind, codes, step, head, index))}`).join("\n")}
at += ${turn.bytes};
${forHeads(kind, (_, index) => `x${index} += ${2 * turn.k};`)}
}
${forHeads(kind, (head, index) => `store(out${index ? ` + ${64 * index}` : ""}, ${kind.results(head)});`)}
codes += panelBytes;
out += 256;
}
}`;

const accumulators = ({ heads, factorWords }) =>
  ["a", "b", "c", "d"]
    .slice(0, Math.max(...heads))
    .flatMap((head) => Array.from({ length: 2 * factorWords }, (_, index) => `let ${head}${index} = i32x4.splat(0);`))
    .join("\n");

const HALVES = ["low", "high"];

/** A function that an engine compiles, not inlined: one half of the outputs. */
const halfFunctions = (kind, bits) =>
  kind.heads
    .toSorted((a, b) => a - b)
    .flatMap((count) =>
      HALVES.map((half, index) => {
        const call = kind.halves[bits][index].replace("HEADS", count);
        return `function ${half}${bits}x${count}(${PARAMETERS}${kind.sums.parameter}): void {
${call}, count, x, stride, panels, panelBytes${kind.sums.argument});
}`;
      }),
    )
    .join("\n");

/** The function that panels are summed by; most models have 3, 4 or 1 query heads on a KV head. */
const sumFunction = (kind, bits) => {
  const calls = (count) =>
    HALVES.map((half) => `${half}${bits}x${count}(${ARGUMENTS}${kind.sums.argument});`).join(" ");
  const cases = kind.heads.map((count, index) =>
    index === kind.heads.length - 1 ? `{ ${calls(count)} }` : `if (heads === ${count}) { ${calls(count)} }`,
  );
  return `export function ${kind.name}${bits}(heads: i32, ${PARAMETERS}${kind.sums.parameter}): void {
${cases.join(" else ")}
}`;
};

const textOf = (kind) => {
  const bits = kind.widths;
  return `// ${kind.about} Written by tools/panel-kernels.mjs.
${kind.imports}
const MASKS = memory.data<u16>([${kind.masks.flatMap((pattern) => Array(8).fill(pattern)).join(", ")}], 16);
// @ts-ignore: decorator
@inline
function add(sum: v128, unit: v128, x: v128): v128 {
// @ts-ignore: the compiler defines the feature
return ${kind.product};
}
${Object.entries(kind.kernels)
  .map(([name, description]) => kernel(kind, name, description))
  .join("\n")}
${bits.map((each) => halfFunctions(kind, each)).join("\n")}
${bits.map((each) => sumFunction(kind, each)).join("\n")}
`;
};

/** The files of `kernels/generated/` by name. */
export const panelKernels = () => ({
  "word-panels.ts": textOf(WORDS),
  "byte-panels.ts": textOf(BYTES),
  "pair-panels.ts": textOf(PAIRS),
});
