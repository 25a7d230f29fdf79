/** So many prompts a plan is asked before it is compared with others. */
const FEWEST_PROMPTS = 25;

/** Says that prompts are too few; undefined where they are not. */
export const fewPromptsWarning = (prompts: number): string | undefined =>
  prompts >= FEWEST_PROMPTS
    ? undefined
    : `${prompts === 1 ? "one prompt is" : `${prompts} prompts are`} too few to tell a difference in accuracy from chance; ` +
      `use ${FEWEST_PROMPTS} or more, and hundreds if plans are close`;
