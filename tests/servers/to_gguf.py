"""A micro checkpoint as GGUF, by llama.cpp's own converter: to_gguf.py LLAMA_SOURCE CHECKPOINT OUT

The converter tells pre-tokenizers apart by a hash and knows no home-made one; and llama.cpp wants at least one merge, where
the micro tokenizer has none: it gets one of two letters that no text of the domain holds.
"""

import runpy
import sys

source, checkpoint, out = sys.argv[1:]
sys.path[:0] = [source, source + "/gguf-py"]
sys.argv = ["convert_hf_to_gguf.py", checkpoint, "--outfile", out, "--outtype", "f32"]

import conversion.base
import gguf

conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
add = gguf.SpecialVocab.add_to_gguf


def with_a_merge(self, writer, *arguments, **named):
    self.merges = self.merges or ["\u0100 \u0101"]
    return add(self, writer, *arguments, **named)


gguf.SpecialVocab.add_to_gguf = with_a_merge
runpy.run_path(source + "/convert_hf_to_gguf.py", run_name="__main__")
