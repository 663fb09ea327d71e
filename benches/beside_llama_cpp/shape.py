"""A checkpoint of random weights in the shape of a real model, with another file's tokenizer: shape.py FROM.gguf SHAPE TO.gguf

Matrices are Q4_1. The vocabulary is padded to the real one's size, as the output layer is a large part of a small model.
"""
import sys

import gguf
import numpy as np

# Layers, width, width of the feed-forward part, heads of queries and of keys, vocabulary: as Qwen2.5's config.json files have them.
SHAPES = {"0.5b": (24, 896, 4864, 14, 2, 151936), "1.5b": (28, 1536, 8960, 12, 2, 151936)}
Q4_1 = gguf.GGMLQuantizationType.Q4_1

source, name, target = sys.argv[1:]
layers, hidden, inner, heads, key_heads, vocabulary = SHAPES[name]
size = hidden // heads
reader = gguf.GGUFReader(source)
writer = gguf.GGUFWriter(target, "llama")
writer.add_name(name)
writer.add_block_count(layers)
writer.add_embedding_length(hidden)
writer.add_feed_forward_length(inner)
writer.add_head_count(heads)
writer.add_head_count_kv(key_heads)
writer.add_context_length(8192)
writer.add_rope_dimension_count(size)
writer.add_rope_freq_base(1e6)
writer.add_layer_norm_rms_eps(1e-6)
writer.add_vocab_size(vocabulary)
contents = lambda key: reader.fields[key].contents()
tokens, types = contents("tokenizer.ggml.tokens"), contents("tokenizer.ggml.token_type")
padding = range(len(tokens), vocabulary)
writer.add_tokenizer_model(contents("tokenizer.ggml.model"))
writer.add_tokenizer_pre(contents("tokenizer.ggml.pre"))
writer.add_token_list(tokens + [f"<unused{at}>" for at in padding])
writer.add_token_types(types + [int(gguf.TokenType.UNUSED) for _ in padding])
writer.add_token_merges(contents("tokenizer.ggml.merges"))
writer.add_bos_token_id(contents("tokenizer.ggml.bos_token_id"))
writer.add_eos_token_id(contents("tokenizer.ggml.eos_token_id"))
writer.add_chat_template(contents("tokenizer.chat_template"))

random = np.random.default_rng(1)


def matrix(tensor, rows, columns):
    numbers = random.standard_normal((rows, columns), dtype=np.float32) / np.float32(np.sqrt(columns))
    writer.add_tensor(f"{tensor}.weight", gguf.quants.quantize(numbers, Q4_1), raw_dtype=Q4_1)


def norm(tensor):
    writer.add_tensor(f"{tensor}.weight", np.ones(hidden, dtype=np.float32))


matrix("token_embd", vocabulary, hidden)
norm("output_norm")
for layer in range(layers):
    at = f"blk.{layer}."
    norm(at + "attn_norm")
    norm(at + "ffn_norm")
    matrix(at + "attn_q", heads * size, hidden)
    matrix(at + "attn_k", key_heads * size, hidden)
    matrix(at + "attn_v", key_heads * size, hidden)
    matrix(at + "attn_output", hidden, heads * size)
    matrix(at + "ffn_gate", inner, hidden)
    matrix(at + "ffn_up", inner, hidden)
    matrix(at + "ffn_down", hidden, inner)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
