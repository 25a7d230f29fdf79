/** Name of the reference backend. */
export const REFERENCE_BACKEND_NAME = "cpu-reference";
