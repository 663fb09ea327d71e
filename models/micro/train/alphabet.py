"""The tokens of a family of models: whole words of its domain over a character model, as an ordinary tokenizer.json."""
import json
import pathlib
import re

PAD, USER, ASSISTANT, END, EXTRA, UNK = range(6)
SPECIAL = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>", "<extra_0>", "<unk>"]

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}")


class Alphabet:
    def __init__(self, words, characters, vocabulary):
        self.words, self.vocabulary = words, vocabulary
        self.tokens = SPECIAL + words + list(characters)
        self.id = {token: index for index, token in enumerate(self.tokens)}
        longest_first = sorted(SPECIAL + words, key=len, reverse=True)
        self.pieces = re.compile("|".join(map(re.escape, longest_first)) + "|.", re.S)

    def encode(self, text):
        return [self.id.get(piece, UNK) for piece in self.pieces.findall(text)]

    def decode(self, ids):
        return "".join(self.tokens[i] for i in ids)

    def write(self, directory):
        """tokenizer.json and its companions. Characters go through the byte-level alphabet of Qwen2's own tokenizer,
        because transformers loads any `model_type: qwen2` checkpoint with that pre-tokenizer whatever the file says; the
        words are in the vocabulary too, because it gives added tokens that are not there ids of its own."""
        directory = pathlib.Path(directory)
        added = [dict(id=i, content=t, single_word=False, lstrip=False, rstrip=False, normalized=False,
                      special=i < len(SPECIAL))
                 for i, t in enumerate(SPECIAL + self.words)]
        byte_level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
        tokenizer = dict(
            version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None,
            pre_tokenizer=byte_level, post_processor=None, decoder=byte_level,
            model=dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None,
                       end_of_word_suffix=None, fuse_unk=False, byte_fallback=False, ignore_merges=False,
                       vocab=self.id, merges=[]))
        config = dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="<|end|>", pad_token="<|pad|>",
                      unk_token="<unk>", additional_special_tokens=["<|user|>", "<|assistant|>", "<extra_0>"],
                      added_tokens_decoder={str(t.pop("id")): t for t in json.loads(json.dumps(added))},
                      clean_up_tokenization_spaces=False, model_max_length=512, chat_template=CHAT_TEMPLATE)
        for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
            (directory / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        (directory / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n")


# The vocabularies are rounded up for the matrix kernels.
MICRO = Alphabet(
    ["\n\n", "\\boxed{", "\\cdot ", "\\equiv ", "\\pmod{", "Evaluate $", "Solve $", "Let $", "$ and $", "$ for $x$.",
     "$, so $", "$, $", "The answer is $", "a_{n+1}", "a_n", "a_", ". Find $"],
    "0123456789+-/=()x$.{},", 48)
GRID = Alphabet(["\n\n", "\n", "\\boxed{", "Fill the grid:\n"], "123456.}", 24)


def of_vocabulary(size):
    """The alphabet of a checkpoint, by the size of its vocabulary."""
    return next(alphabet for alphabet in (MICRO, GRID) if alphabet.vocabulary == size)
