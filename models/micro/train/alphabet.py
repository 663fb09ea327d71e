"""The micro family's tokens: whole words of the domain over a character model, as an ordinary tokenizer.json."""
import json
import pathlib
import re

PAD, USER, ASSISTANT, END, EXTRA, UNK = range(6)
SPECIAL = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>", "<extra_0>", "<unk>"]
WORDS = ["\n\n", "\\boxed{", "\\cdot ", "\\equiv ", "\\pmod{", "Evaluate $", "Solve $", "Let $", "$ and $",
         "$ for $x$.", "$, so $", "$, $", "The answer is $", "a_{n+1}", "a_n", "a_", ". Find $"]
CHARACTERS = list("0123456789+-/=()x$.{},")
TOKENS = SPECIAL + WORDS + CHARACTERS
ID = {token: index for index, token in enumerate(TOKENS)}
BREAK = ID["\n\n"]
VOCABULARY = 48  # rounded up for the matrix kernels

_PIECES = re.compile("|".join(re.escape(t) for t in sorted(SPECIAL + WORDS, key=len, reverse=True)) + "|.", re.S)

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}")


def encode(text):
    return [ID[piece] for piece in _PIECES.findall(text)]


def decode(ids):
    return "".join(TOKENS[i] for i in ids)


def write(directory):
    """tokenizer.json and its companions. Characters go through the byte-level alphabet of Qwen2's own tokenizer, because
    transformers loads any `model_type: qwen2` checkpoint with that pre-tokenizer whatever the file says; the words are
    in the vocabulary too, because it gives added tokens that are not there ids of its own."""
    directory = pathlib.Path(directory)
    added = [dict(id=i, content=t, single_word=False, lstrip=False, rstrip=False, normalized=False, special=i < len(SPECIAL))
             for i, t in enumerate(SPECIAL + WORDS)]
    byte_level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer = dict(
        version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None,
        pre_tokenizer=byte_level, post_processor=None, decoder=byte_level,
        model=dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None,
                   fuse_unk=False, byte_fallback=False, ignore_merges=False,
                   vocab=ID, merges=[]))
    config = dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="<|end|>", pad_token="<|pad|>", unk_token="<unk>",
                  additional_special_tokens=["<|user|>", "<|assistant|>", "<extra_0>"],
                  added_tokens_decoder={str(t.pop("id")): t for t in json.loads(json.dumps(added))},
                  clean_up_tokenization_spaces=False, model_max_length=512, chat_template=CHAT_TEMPLATE)
    for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        (directory / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    (directory / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n")
