import { KvtunerError, schemeLabel, type TensorScheme } from "@kvtuner/plan";

/** A plan has a scheme that the backend does not support; names the layer, the scheme and the nearest supported one. */
export class UnsupportedSchemeError extends KvtunerError {
  readonly layer: number;
  readonly scheme: TensorScheme;

  constructor(request: {
    readonly backend: string;
    readonly layer: number;
    readonly tensor: "key" | "value";
    readonly scheme: TensorScheme;
    readonly nearest?: TensorScheme;
  }) {
    const { backend, layer, tensor, scheme, nearest } = request;
    const advice = nearest ? `nearest supported: ${schemeLabel(nearest)}` : "no scheme of that kind is supported";
    super(
      "BACKEND_UNSUPPORTED_SCHEME",
      `backend ${backend} cannot store the ${tensor}s of layer ${layer} as ${schemeLabel(scheme)}; ${advice}`,
    );
    this.name = "UnsupportedSchemeError";
    this.layer = layer;
    this.scheme = scheme;
  }
}
