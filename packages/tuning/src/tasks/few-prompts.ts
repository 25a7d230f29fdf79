/** Fewest prompts on which plans are compared. */
const FEWEST_PROMPTS = 25;

/** Warning for too few prompts; undefined for enough. */
export const fewPromptsWarning = (prompts: number): string | undefined =>
  prompts >= FEWEST_PROMPTS
    ? undefined
    : `${prompts === 1 ? "one prompt is" : `${prompts} prompts are`} too few to tell a difference in accuracy from chance; ` +
      `use ${FEWEST_PROMPTS} or more, and hundreds if plans are close`;
