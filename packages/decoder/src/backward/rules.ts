import type { Rule } from "./rule.ts";
import { convolutionRules } from "./rules/causal-convolution.ts";
import { elementwiseRules } from "./rules/elementwise.ts";
import { layoutRules } from "./rules/layout.ts";
import { linearAttentionRules } from "./rules/linear-attention.ts";
import { productRules } from "./rules/product.ts";
import { rowRules } from "./rules/row.ts";

/** Sizes of a tensor, and what is made of them, do not depend on its numbers. */
const constant: Rule = () => undefined;

/** Derivatives of operators, by their name. */
export const RULES: Readonly<Record<string, Rule>> = {
  Shape: constant,
  ...elementwiseRules,
  ...layoutRules,
  ...productRules,
  ...rowRules,
  ...convolutionRules,
  ...linearAttentionRules,
};
