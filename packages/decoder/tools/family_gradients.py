"""Gradients of a scalar function of the logits with respect to tensors around each layer's attention, by PyTorch's autograd."""

import inspect
import sys

import torch

from family_models import noise

DIRECTIONS = 6


def gradients(model, ids, convert):
    """Norm and products with DIRECTIONS fixed directions of each gradient, by tensor and layer among those that attend, or None for
    keys and values of layers that share a cache. The scalar function is the product of the logits with noise("cotangent")."""
    found = traced(model, ids, convert)
    layers = range(len(attentions(model)))
    return {
        name: [summary(found[name, layer], f"{name}.{layer}") if (name, layer) in found else None for layer in layers]
        for name in TENSORS
    }


TENSORS = ["output", "query", "key", "keyBeforeRope", "value"]


def attentions(model):
    """Of the layers that attend."""
    return [layer.self_attn for layer in model.model.layers if hasattr(layer, "self_attn")]


def summary(gradient, name):
    flat = gradient.flatten()
    products = [flat @ torch.from_numpy(noise(f"{name}.{index}", flat.numel())) for index in range(DIRECTIONS)]
    return [float(f"{number:.9g}") for number in [flat.norm(), *products]]


def traced(model, ids, convert):
    """Gradients `[tokens, heads * size]` by tensor and layer, with the channels of layers without RoPE as in the file, whose rows
    `convert` puts in the order of the model."""
    kept = {}
    with patched(model, kept):
        logits = model(torch.tensor([ids])).logits[0]
        weights = torch.from_numpy(noise("cotangent", logits.numel())).reshape(logits.shape)
        (logits * weights).sum().backward()
    found = {
        place: rows(tensor.grad, has_tokens_first)
        for place, (tensor, has_tokens_first) in kept.items()
        if tensor.grad is not None
    }
    for layer in range(len(attentions(model))):
        if ("keyBeforeRope", layer) not in found and ("key", layer) in found:
            for name in ("query", "key"):
                found[name, layer] = as_stored(found[name, layer], convert)
            found["keyBeforeRope", layer] = found["key", layer]
    return found


def as_stored(gradient, convert):
    order = convert("blk.0.attn_q.weight", torch.arange(gradient.shape[1]))
    return torch.empty_like(gradient).index_copy(1, order, gradient)


def rows(gradient, has_tokens_first):
    """Most queries, keys and values have heads before tokens."""
    if gradient.dim() < 4:
        return gradient[0]
    return (gradient[0] if has_tokens_first else gradient[0].transpose(0, 1)).flatten(1)


class patched:
    """Keeps the tensors that pass the functions and modules of a model's attention, with their gradients."""

    def __init__(self, model, kept):
        self.module = sys.modules[type(model).__module__]
        self.kept = kept
        self.layer = None
        self.rotated = None
        self.hooks = []
        for index, attention in enumerate(attentions(model)):
            enter = lambda *_, index=index: setattr(self, "layer", index)
            self.hooks.append(attention.register_forward_pre_hook(enter))

    def keep(self, name, tensor, has_tokens_first=False):
        tensor.retain_grad()
        self.kept[name, self.layer] = tensor, has_tokens_first

    def is_shared(self, key):
        return any(tensor is key for (_, layer), (tensor, _) in self.kept.items() if layer != self.layer)

    def __enter__(self):
        self.attend, self.rotate = self.module.eager_attention_forward, self.module.apply_rotary_pos_emb

        def attend(module, query, key, value, *rest, **options):
            own = () if self.is_shared(key) else (("key", key), ("value", value))
            for name, tensor in (("query", query), *own):
                self.keep(name, tensor)
            output, weights = self.attend(module, query, key, value, *rest, **options)
            self.keep("output", output, has_tokens_first=True)
            return output, weights

        def rotate(query, key, *rest, **options):
            self.keep("keyBeforeRope", key)
            return self.rotate(query, key, *rest, **options)

        def rotate_one(tensor, *rest, **options):
            """For the query, then the key, whose name it keeps."""
            self.keep("keyBeforeRope" if self.rotated == self.layer else "queryBeforeRope", tensor, has_tokens_first=True)
            self.rotated = self.layer
            return self.rotate(tensor, *rest, **options)

        takes_one = "k" not in inspect.signature(self.rotate).parameters
        self.module.eager_attention_forward = attend
        self.module.apply_rotary_pos_emb = rotate_one if takes_one else rotate

    def __exit__(self, *_):
        self.module.eager_attention_forward, self.module.apply_rotary_pos_emb = self.attend, self.rotate
        for hook in self.hooks:
            hook.remove()
