"""Gradients of a scalar function of the logits with respect to tensors around each layer's attention, by PyTorch's autograd."""

import sys

import torch

from family_models import noise

DIRECTIONS = 6


def gradients(model, ids, convert):
    """Norm and products with DIRECTIONS fixed directions of each gradient, by tensor and layer. The scalar function is the product
    of the logits with noise("cotangent")."""
    found = traced(model, ids, convert)
    layers = len(model.model.layers)
    return {name: [summary(found[name, layer], f"{name}.{layer}") for layer in range(layers)] for name in TENSORS}


TENSORS = ["output", "query", "key", "keyBeforeRope", "value"]


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
    found = {place: rows(tensor.grad) for place, tensor in kept.items()}
    for layer in range(len(model.model.layers)):
        if ("keyBeforeRope", layer) not in found:
            for name in ("query", "key"):
                found[name, layer] = as_stored(found[name, layer], convert)
            found["keyBeforeRope", layer] = found["key", layer]
    return found


def as_stored(gradient, convert):
    order = convert("blk.0.attn_q.weight", torch.arange(gradient.shape[1]))
    return torch.empty_like(gradient).index_copy(1, order, gradient)


def rows(gradient):
    """Heads before tokens in queries, keys and values."""
    return gradient[0].transpose(0, 1).flatten(1) if gradient.dim() == 4 else gradient[0]


class patched:
    """Keeps the tensors that pass the functions and modules of a model's attention, with their gradients."""

    def __init__(self, model, kept):
        self.module = sys.modules[type(model).__module__]
        self.kept = kept
        self.layer = None
        self.hooks = []
        for index, layer in enumerate(model.model.layers):
            enter = lambda *_, index=index: setattr(self, "layer", index)
            self.hooks.append(layer.self_attn.register_forward_pre_hook(enter))
            self.hooks.append(layer.self_attn.o_proj.register_forward_pre_hook(lambda _, inputs: self.keep("output", inputs[0])))

    def keep(self, name, tensor):
        tensor.retain_grad()
        self.kept[name, self.layer] = tensor

    def __enter__(self):
        self.attend, self.rotate = self.module.eager_attention_forward, self.module.apply_rotary_pos_emb

        def attend(module, query, key, value, *rest, **options):
            for name, tensor in (("query", query), ("key", key), ("value", value)):
                self.keep(name, tensor)
            return self.attend(module, query, key, value, *rest, **options)

        def rotate(query, key, *rest, **options):
            self.keep("keyBeforeRope", key)
            return self.rotate(query, key, *rest, **options)

        self.module.eager_attention_forward, self.module.apply_rotary_pos_emb = attend, rotate

    def __exit__(self, *_):
        self.module.eager_attention_forward, self.module.apply_rotary_pos_emb = self.attend, self.rotate
        for hook in self.hooks:
            hook.remove()
