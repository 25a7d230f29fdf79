"""Makes src/fixtures/exported-llama/: a small random model as the onnxruntime-genai model builder exports it, with its
tokenizer, and in expected.json the logits that PyTorch `transformers` computes for it and ids of texts by `tokenizers`.

Run:
    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0 onnxruntime-genai==0.18.0 onnx==1.23.2 onnx-ir==1.1.0 onnxruntime
    venv/bin/python make-exported-model.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TARGET = pathlib.Path(__file__).parent.parent / "src" / "fixtures" / "exported-llama"
TEXTS = ["the other", " the  cat\n", "naïve — 日本 🙂", "<|im_start|>the<|im_end|>", ""]
KEPT = ["model.onnx", "model.onnx.data", "genai_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]


def tokenizer():
    vocabulary = {character: index for index, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for token in ["th", "the"]:
        vocabulary[token] = len(vocabulary)
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[("t", "h"), ("th", "e")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<s>", "<|im_start|>", "<|im_end|>"])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 258)])
    fast = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="<|im_end|>")
    fast.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return fast


def main():
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=262, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=258, eos_token_id=260,
        initializer_range=0.2, tie_word_embeddings=True,
    )  # fmt: skip
    model, fast = LlamaForCausalLM(config).eval(), tokenizer()
    ids = [(index * 17 + 3) % 250 for index in range(12)]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        fast.save_pretrained(folder)
        builder = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
        subprocess.run([*builder, "-m", folder, "-o", f"{folder}/out", "-p", "fp32", "-e", "cpu", "-c", folder], check=True)
        TARGET.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            (TARGET / name).write_bytes((pathlib.Path(folder) / "out" / name).read_bytes())
    rows = [[float(f"{number:.7g}") for number in row] for row in logits.tolist()]
    texts = [{"text": text, "ids": fast.encode(text, add_special_tokens=False)} for text in TEXTS]
    (TARGET / "expected.json").write_text(json.dumps({"ids": ids, "logits": rows, "texts": texts}) + "\n")


main()
