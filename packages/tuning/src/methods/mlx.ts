import { mlx } from "../runtimes/mlx.ts";
import type { Method } from "./method.ts";
import { runtimeMethod } from "./runtime-method.ts";

/** Affine codes in groups of 64, as mlx-lm stores them. */
export const mlxMethod: Method = runtimeMethod(mlx, "mlx", "MLX");
