export declare const checkConformance: (
  environment: NodeJS.ProcessEnv,
  pattern?: string,
) => {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly { readonly name: string; readonly message: string }[];
};
