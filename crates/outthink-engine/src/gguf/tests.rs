//! GGUF files beside llama.cpp's own vocabularies, split ones, and ones that nobody should believe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures::executor::block_on;
use outthink_core::{Sampling, Until};
use outthink_prompt::Tokenizer;
use serde_json::json;

use super::header::{Header, Value};
use super::tokenizer::Vocabulary;
use crate::{Checkpoint, DrawRequest, EmbeddedPolicy, Error};

/// A tensor's name, ggml type, shape and bytes.
type WrittenTensor = (String, u32, Vec<usize>, Vec<u8>);

/// A file to be written.
#[derive(Clone, Default)]
struct WrittenGguf {
    metadata: BTreeMap<String, Value>,
    tensors: Vec<WrittenTensor>,
}

impl WrittenGguf {
    /// What a file of the families holds.
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/families/gguf")
            .join(name);
        let (bytes, header) = (fs::read(&path).unwrap(), Header::read(&path).unwrap());
        let tensors = header.tensors.iter().map(|info| {
            let data = bytes[info.start as usize..][..info.length].to_vec();
            (info.name.clone(), info.kind, info.shape.clone(), data)
        });
        Self {
            tensors: tensors.collect(),
            metadata: header.metadata().into_iter().collect(),
        }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.metadata.insert(key.into(), value);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let mut out = [b"GGUF".as_slice(), &3u32.to_le_bytes()].concat();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            out.extend(text(key));
            let (kind, value) = encoded(value);
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut data = Vec::new();
        for (name, kind, shape, bytes) in &self.tensors {
            out.extend(text(name));
            out.extend((shape.len() as u32).to_le_bytes());
            for size in shape.iter().rev() {
                out.extend((*size as u64).to_le_bytes());
            }
            out.extend(kind.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }
}

fn encoded(value: &Value) -> (u32, Vec<u8>) {
    match value {
        Value::Whole(x) => (10, x.to_le_bytes().into()),
        Value::Negative => (11, (-1i64).to_le_bytes().into()),
        Value::Real(x) => (12, x.to_le_bytes().into()),
        Value::Flag(x) => (7, vec![u8::from(*x)]),
        Value::Text(text) => (
            8,
            [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat(),
        ),
        Value::List(values) => {
            let kind = values.first().map_or(4, |value| encoded(value).0);
            let mut out = [
                kind.to_le_bytes().as_slice(),
                &(values.len() as u64).to_le_bytes(),
            ]
            .concat();
            out.extend(values.iter().flat_map(|value| encoded(value).1));
            (9, out)
        }
    }
}

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("outthink-gguf-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn told(&self, error: &Error) -> String {
        error
            .to_string()
            .replace(&self.0.display().to_string(), "FOLDER")
    }

    /// What is said of a file that cannot be loaded.
    fn refusal(&self, bytes: &[u8]) -> String {
        let path = self.write("a.gguf", bytes);
        let loaded = Checkpoint::read_gguf(&path)
            .and_then(|checkpoint| crate::EmbeddedPolicy::load(&checkpoint, None).map(|_| ()));
        self.told(&loaded.unwrap_err())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tokenizer(vocabulary: &Vocabulary<'_>) -> Tokenizer {
    Tokenizer::from_bytes(vocabulary.tokenizer().unwrap().to_string().as_bytes()).unwrap()
}

/// Lines of texts and of the tokens that the models' own tokenizers make of them, where llama.cpp's sources lie in `.cache`.
#[test]
fn every_vocabulary_of_llama_cpp_tokenizes_every_line_as_its_own_tokenizer_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/servers");
    let folders = fs::read_dir(&root).into_iter().flatten().flatten();
    let models = folders.map(|folder| folder.path().join("llama.cpp/models"));
    let Some(models) = models.into_iter().find(|models| models.is_dir()) else {
        println!("skipped: no llama.cpp under {}", root.display());
        return;
    };
    let mut files: Vec<PathBuf> = fs::read_dir(models)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "inp"));
    files.sort();
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for inputs in files {
        let path = inputs.with_extension("");
        let header = Header::read(&path).unwrap();
        let name = path
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .replace("ggml-vocab-", "");
        // WordPiece, and a vocabulary that is neither of the two makes.
        if matches!(header.text("tokenizer.ggml.model"), Some("bert" | "gemma4")) {
            println!("{name}: not read");
            continue;
        }
        let tokenizer = tokenizer(&Vocabulary::read(&header).unwrap());
        let texts = fs::read_to_string(&inputs).unwrap();
        let tokens = fs::read_to_string(path.with_extension("gguf.out")).unwrap();
        let texts = texts.split("\n__ggml_vocab_test__\n");
        let lines: Vec<(&str, &str)> = texts.zip(tokens.lines()).collect();
        assert!(lines.len() > 40, "{name}");
        let before = wrong.len();
        for (text, expected) in &lines {
            let expected: Vec<u32> = expected
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            let ours = tokenizer.encode(text).unwrap();
            if ours != expected {
                wrong.push(format!("{name}: {text:?}: {ours:?}, not {expected:?}"));
            }
        }
        println!(
            "{name}: {} of {} lines",
            lines.len() - (wrong.len() - before),
            lines.len()
        );
        right.push(name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right.len() >= 13, "{right:?}");
}

fn texts(texts: &[&str]) -> Value {
    Value::List(
        texts
            .iter()
            .map(|text| Value::Text((*text).into()))
            .collect(),
    )
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> Value {
    Value::List(numbers.into_iter().map(Value::Whole).collect())
}

/// A vocabulary as SentencePiece trains it: what comes later scores lower.
fn sentence_piece(pieces: &[&str]) -> WrittenGguf {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".into(), "</s>".into()];
    let mut types = vec![2, 3, 3];
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    types.resize(tokens.len(), 6);
    tokens.extend(pieces.iter().map(|piece| (*piece).to_owned()));
    types.resize(tokens.len(), 1);
    let scores = (0..tokens.len()).map(|id| Value::Real(-(id as f64)));
    WrittenGguf::default()
        .with("tokenizer.ggml.model", Value::Text("llama".into()))
        .with("tokenizer.ggml.scores", Value::List(scores.collect()))
        .with("tokenizer.ggml.token_type", numbers(types))
        .with(
            "tokenizer.ggml.tokens",
            texts(&tokens.iter().map(String::as_str).collect::<Vec<_>>()),
        )
}

impl WrittenGguf {
    fn vocabulary<T>(&self, look: impl FnOnce(&Vocabulary<'_>, &[String]) -> T) -> T {
        let bytes = self.bytes();
        let header = Header::parse_bytes(&bytes).unwrap();
        let tokens = header.list("tokenizer.ggml.tokens").unwrap();
        let tokens: Vec<String> = tokens
            .iter()
            .map(|token| token.text().unwrap().to_owned())
            .collect();
        look(&Vocabulary::read(&header).unwrap(), &tokens)
    }

    fn pieces(&self, text: &str) -> Vec<String> {
        self.vocabulary(|vocabulary, tokens| {
            let ids = tokenizer(vocabulary).encode(text).unwrap();
            ids.iter().map(|id| tokens[*id as usize].clone()).collect()
        })
    }
}

/// SentencePiece's own way, one merge after the other: the pair of the highest score, of equals the leftmost.
fn merged(text: &str, score: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let mut parts: Vec<String> = text.chars().map(String::from).collect();
    loop {
        let pairs = parts.windows(2).enumerate();
        let scored = pairs.filter_map(|(at, pair)| Some((score(&pair.concat())?, at)));
        let Some((_, at)) = scored.min() else {
            return parts;
        };
        let right = parts.remove(at + 1);
        parts[at].push_str(&right);
    }
}

#[test]
fn sentence_piece_merges_by_score_and_spells_the_rest_in_bytes() {
    let pieces = [
        "▁", "a", "b", "e", "aa", "ab", "▁a", "ba", "aab", "▁ab", "bb", "aaaa", "abba", "▁aa", "be",
    ];
    let written = sentence_piece(&pieces);
    let score = |piece: &str| pieces.iter().position(|known| *known == piece);
    written.vocabulary(|vocabulary, tokens| {
        let tokenizer = tokenizer(vocabulary);
        // All texts of up to eight characters of four.
        for number in 0..4u32.pow(8) {
            let length = number % 8 + 1;
            let digits = (0..length).map(|at| number / 4u32.pow(at) % 4);
            let text: String = digits
                .map(|digit| ['a', 'b', ' ', 'e'][digit as usize])
                .collect();
            let ids = tokenizer.encode(&text).unwrap();
            let ours: Vec<&str> = ids.iter().map(|id| tokens[*id as usize].as_str()).collect();
            let spaced = format!(" {text}").replace(' ', "▁");
            assert_eq!(ours, merged(&spaced, score), "{text:?}");
        }
    });
    assert_eq!(written.pieces("aé\n"), ["▁a", "<0xC3>", "<0xA9>", "<0x0A>"]);
    assert_eq!(
        written.pieces("a</s>a"),
        ["▁a", "</s>", "▁a"],
        "a text begins anew after a special token"
    );
    assert_eq!(
        written.pieces("<0x0A>").len(),
        7,
        "the name of a byte is no byte"
    );
    let bare = written.with("tokenizer.ggml.add_space_prefix", Value::Flag(false));
    assert_eq!(bare.pieces("a a"), ["a", "▁a"]);
}

/// A vocabulary as GPT-2 writes it: every byte, and what the merges make.
fn byte_level(merges: &[&str], added: &[(&str, u64)]) -> WrittenGguf {
    let mut tokens: Vec<String> = (33..=126u8)
        .map(|byte| char::from(byte).to_string())
        .collect();
    tokens.extend([
        "Ġ".into(),
        "Ċ".into(),
        "Ã".into(),
        "©".into(),
        "Ì".into(),
        "ģ".into(),
    ]);
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut types = vec![1; tokens.len()];
    for (token, kind) in added {
        tokens.push((*token).to_owned());
        types.push(*kind);
    }
    WrittenGguf::default()
        .with("tokenizer.ggml.model", Value::Text("gpt2".into()))
        .with("tokenizer.ggml.merges", texts(merges))
        .with("tokenizer.ggml.token_type", numbers(types))
        .with(
            "tokenizer.ggml.tokens",
            texts(&tokens.iter().map(String::as_str).collect::<Vec<_>>()),
        )
}

#[test]
fn pre_tokenizers_cut_where_their_models_do() {
    let merges = [
        "1 2", "12 3", "123 4", "Ġ 1", "Ġ a", "a b", "A b", "Ġ Ġ", "Ã ©", "e Ì", "eÌ ģ", "Ċ Ċ",
        "' s", "' S", ". Ċ", "! !",
    ];
    let pieces = |pre: &str, text: &str| {
        let written = byte_level(&merges, &[]);
        written
            .with("tokenizer.ggml.pre", Value::Text(pre.into()))
            .pieces(text)
            .join("·")
    };
    // Digits: all together, up to three, or one by one; before them a space that is theirs or not.
    assert_eq!(pieces("gpt-2", "a 1234"), "a·Ġ·1234");
    assert_eq!(pieces("llama-bpe", "a1234"), "a·123·4");
    assert_eq!(pieces("gpt-4o", "a1234"), "a·123·4");
    assert_eq!(pieces("tekken", "a1234"), "a·1·2·3·4");
    assert_eq!(pieces("qwen2", "a1234"), "a·1·2·3·4");
    assert_eq!(pieces("smollm", "a 1234"), "a·Ġ·1·2·3·4");
    assert_eq!(pieces("refact", "a 1234"), "a·Ġ·1·2·3·4");
    assert_eq!(pieces("deepseek-llm", "a1234"), "a·1234");
    assert_eq!(pieces("deepseek-coder", "a1234"), "a·1·2·3·4");
    assert_eq!(pieces("default", "a1234"), "a·123·4");
    // Capitals begin a word of their own.
    assert_eq!(pieces("gpt-4o", "aAb"), "a·Ab");
    assert_eq!(pieces("llama-bpe", "aAb"), "a·Ab");
    // What is apart and could be composed.
    assert_eq!(pieces("qwen2", "e\u{301}"), "Ã©");
    assert_eq!(pieces("qwen35", "e\u{301}"), "eÌģ");
    assert_eq!(pieces("llama-bpe", "e\u{301}"), "e·Ì·ģ");
    // Endings and the ends of lines.
    assert_eq!(pieces("gpt-2", "a'S"), "a·'·S");
    assert_eq!(pieces("qwen2", "a'S"), "a·'S");
    assert_eq!(pieces("llama-bpe", "a.\n"), "a·.Ċ");
    assert_eq!(pieces("gpt-2", "a.\n"), "a·.·Ċ");
    assert_eq!(pieces("gpt-2", "a   a"), "a·ĠĠ·Ġa");
}

#[test]
fn tokens_are_what_their_types_and_the_usual_say() {
    let added = [
        ("<|im_start|>", 3),
        ("<|im_end|>", 3),
        ("<think>", 4),
        ("<|endoftext|>", 1),
        ("", 1),
    ];
    let written = byte_level(&["a b", "ab zz"], &added);
    assert_eq!(
        written.pieces("<|im_start|>ab<think>").join("·"),
        "<|im_start|>·ab·<think>"
    );
    assert_eq!(
        written.pieces("<|endoftext|>").len(),
        13,
        "a text by its type"
    );
    let end =
        |name: &str, tokens: &[String]| tokens.iter().position(|token| token == name).unwrap();
    written.vocabulary(|vocabulary, tokens| {
        assert_eq!(
            vocabulary.ends(),
            [end("<|im_end|>", tokens)],
            "by name, for no id is told"
        );
        assert_eq!(vocabulary.special()["add_bos_token"], false);
        let tokenizer = tokenizer(vocabulary);
        assert_eq!(tokenizer.size(), tokens.len());
        let refusal = tokenizer.check("<|im_end|>").unwrap_err().to_string();
        insta::assert_snapshot!(refusal, @"the text holds <|im_end|>, which is a control token of the model");
        assert!(tokenizer.check("<think>").is_ok());
    });
    let id = written.vocabulary(|_, tokens| end("<|endoftext|>", tokens)) as u64;
    let told = written
        .clone()
        .with("tokenizer.ggml.eos_token_id", Value::Whole(id));
    assert_eq!(
        told.pieces("<|endoftext|>").len(),
        1,
        "what ends an answer is no text"
    );
    told.vocabulary(|vocabulary, tokens| {
        assert_eq!(vocabulary.ends(), [id as usize, end("<|im_end|>", tokens)]);
    });
    let llama = told.with("tokenizer.ggml.pre", Value::Text("llama-bpe".into()));
    llama.vocabulary(|vocabulary, _| assert_eq!(vocabulary.special()["add_bos_token"], true));
    let not = llama.with("tokenizer.ggml.add_bos_token", Value::Flag(false));
    not.vocabulary(|vocabulary, _| assert_eq!(vocabulary.special()["add_bos_token"], false));
    sentence_piece(&["a"]).vocabulary(|vocabulary, _| {
        assert_eq!(vocabulary.ends(), [2]);
        let special = vocabulary.special();
        assert_eq!(
            [&special["bos_token"], &special["add_bos_token"]],
            [&json!("<s>"), &json!(true)]
        );
    });
}

/// What a model goes on with.
fn greedy(checkpoint: &Checkpoint) -> Vec<u32> {
    let policy = EmbeddedPolicy::load(checkpoint, None).unwrap();
    let drawing = DrawRequest {
        prefix: vec![3, 1, 4, 1, 5],
        seeds: vec![0],
        until: Until::Answer,
        sampling: Sampling::GREEDY,
        max_tokens: 8,
        offset: 0,
        segmenter: policy.free_segmenter(),
    };
    let (draws, _) = block_on(policy.draw(drawing)).unwrap();
    draws[0]
        .steps
        .iter()
        .flat_map(|step| step.tokens.clone())
        .collect()
}

#[test]
fn a_split_file_is_whole_from_any_of_its_parts() {
    let folder = Folder::new("split");
    let whole = WrittenGguf::read("qwen3.gguf");
    let expected =
        greedy(&Checkpoint::read_gguf(&folder.write("whole.gguf", &whole.bytes())).unwrap());
    let number = |written: WrittenGguf, number, count| {
        let written = written.with("split.no", Value::Whole(number));
        written.with("split.count", Value::Whole(count))
    };
    let (second, first): (Vec<_>, Vec<_>) = whole
        .tensors
        .iter()
        .cloned()
        .partition(|(name, ..)| name.starts_with("blk.1."));
    let metadata = whole.metadata;
    let first = number(
        WrittenGguf {
            metadata,
            tensors: first,
        },
        0,
        2,
    );
    let second = number(
        WrittenGguf {
            tensors: second,
            ..WrittenGguf::default()
        },
        1,
        2,
    );
    let mut paths = vec![
        folder.write("m-00001-of-00002.gguf", &first.bytes()),
        folder.write("m-00002-of-00002.gguf", &second.bytes()),
    ];
    // A part under a name of its own finds the others by it.
    paths.push(folder.write("n.gguf", &first.bytes()));
    folder.write("n-00002-of-00002.gguf", &second.bytes());
    for path in paths {
        let checkpoint = Checkpoint::read_gguf(&path).unwrap();
        assert_eq!(greedy(&checkpoint), expected, "{}", path.display());
    }
    let refusal = |name: &str, written: &WrittenGguf| {
        let path = folder.write(name, &written.bytes());
        folder.told(&Checkpoint::read_gguf(&path).unwrap_err())
    };
    insta::assert_snapshot!(refusal("v.gguf", &first), @"FOLDER/v.gguf: it is part 1 of 2, and there is no FOLDER/v-00002-of-00002.gguf");
    insta::assert_snapshot!(refusal("w-00002-of-00002.gguf", &second), @"FOLDER/w-00002-of-00002.gguf: it is part 2 of 2, and there is no FOLDER/w-00001-of-00002.gguf");
    insta::assert_snapshot!(refusal("m-00002-of-00002.gguf", &first), @"FOLDER/m-00002-of-00002.gguf: it says that it is part 1 of a file; the parts beside it do not belong to it");
    insta::assert_snapshot!(refusal("x.gguf", &number(first, 3, 2)), @"FOLDER/x.gguf: its metadata says that it is part 4 of 2");
}

#[test]
fn the_parts_of_a_file_are_known_by_the_name_of_one() {
    let parts = |name: &str| super::gguf_parts(name).join(" ");
    assert_eq!(
        parts("m-q8_0-00002-of-00003.gguf"),
        "m-q8_0-00001-of-00003.gguf m-q8_0-00002-of-00003.gguf m-q8_0-00003-of-00003.gguf"
    );
    for whole in [
        "m.gguf",
        "m-00001-of-00001.gguf",
        "m-1-of-3.gguf",
        "m-00002-of-00003",
        "m-00001-of-99999.gguf",
    ] {
        assert_eq!(parts(whole), whole);
    }
}

#[test]
fn a_file_that_cannot_be_run_says_why_and_what_to_do() {
    let folder = Folder::new("refusals");
    let plain = WrittenGguf::read("qwen3.gguf");
    let bytes = plain.bytes();
    let of = |bytes: &[u8]| folder.refusal(bytes);
    insta::assert_snapshot!(of(b""), @"FOLDER/a.gguf: this is no GGUF file: it is empty");
    insta::assert_snapshot!(of(b"hello, world"), @"FOLDER/a.gguf: this is no GGUF file: it begins with `hello, world`");
    insta::assert_snapshot!(of(b"<!DOCTYPE html><html>"), @"FOLDER/a.gguf: this is no GGUF file: it is a web page; download the file itself");
    insta::assert_snapshot!(of(b"version https://git-lfs.github.com/spec/v1\noid sha256:00"), @"FOLDER/a.gguf: this is no GGUF file: it is a pointer of Git LFS; `git lfs pull` fetches the file itself");
    insta::assert_snapshot!(of(b"PK\x03\x04\x00\x00\x00\x00\x00\x00"), @r#"FOLDER/a.gguf: this is no GGUF file: it begins with `PK\x03\x04\x00\x00\x00\x00\x00\x00`"#);
    insta::assert_snapshot!(of(&bytes[..6]), @"FOLDER/a.gguf: the file ends after 6 bytes, within its header: download it again");
    insta::assert_snapshot!(of(&bytes[..2000]), @"FOLDER/a.gguf: the file ends after 2000 bytes, within its header: download it again");
    insta::assert_snapshot!(of(&bytes[..bytes.len() - 1000]), @"FOLDER/a.gguf: the file ends after 76984 of 77984 bytes: download it again");
    let version = |version: [u8; 4]| [b"GGUF".as_slice(), &version, &bytes[8..]].concat();
    insta::assert_snapshot!(of(&version([0, 0, 0, 3])), @"FOLDER/a.gguf: it is written for big-endian machines");
    insta::assert_snapshot!(of(&version([9, 0, 0, 0])), @"FOLDER/a.gguf: it is of GGUF version 9; 1, 2 and 3 are read");
    let with = |key: &str, value: Value| of(&plain.clone().with(key, value).bytes());
    insta::assert_snapshot!(with("general.alignment", Value::Whole(0)), @"FOLDER/a.gguf: its general.alignment is no power of two");
    insta::assert_snapshot!(with("general.architecture", Value::Text("mamba".into())), @"cannot run FOLDER/a.gguf: its architecture is mamba, and those that are run are llama, qwen2, qwen3, qwen3moe, smollm3, olmo2, phi3, gemma2, gemma3, gpt-oss. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(with("tokenizer.ggml.pre", Value::Text("kimi-k2".into())), @"cannot run FOLDER/a.gguf: its pre-tokenizer kimi-k2 is not known here. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(with("tokenizer.ggml.model", Value::Text("t5".into())), @"cannot run FOLDER/a.gguf: its tokenizer is t5, and those that are read are gpt2 and llama. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(with("tokenizer.ggml.merges", texts(&["ab"])), @r#"FOLDER/a.gguf: its merge "ab" is no pair"#);
    insta::assert_snapshot!(with("qwen3.expert_count", Value::Whole(8)), @"cannot run FOLDER/a.gguf: it is a mixture of experts. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(with("qwen3.rope.dimension_count", Value::Whole(5)), @"FOLDER/a.gguf: its metadata: 5 of a head's 16 numbers cannot be rotated");
    insta::assert_snapshot!(with("qwen3.block_count", Value::Whole(1_000_000_000_000_000_000)), @"FOLDER/a.gguf: its metadata: num_hidden_layers is 1000000000000000000");
    insta::assert_snapshot!(with("qwen3.block_count", Value::Whole(10_000)), @"FOLDER/a.gguf: there is no tensor model.layers.2.input_layernorm.weight");
    insta::assert_snapshot!(with("qwen3.attention.head_count", Value::Whole(0)), @"FOLDER/a.gguf: its metadata: num_attention_heads is 0");
    insta::assert_snapshot!(with("qwen3.attention.head_count_kv", numbers([2, 1])), @"cannot run FOLDER/a.gguf: its layers differ in qwen3.attention.head_count_kv. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    let tensor = |name: &str, change: &dyn Fn(&mut WrittenTensor)| {
        let mut written = plain.clone();
        change(
            written
                .tensors
                .iter_mut()
                .find(|(known, ..)| known == name)
                .unwrap(),
        );
        of(&written.bytes())
    };
    let name = "blk.0.attn_q.weight";
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.1 = 12), @"FOLDER/a.gguf: tensor blk.0.attn_q.weight has rows of 32 numbers; Q4_K stores 256 at a time");
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.1 = 23), @"cannot run FOLDER/a.gguf: tensor model.layers.0.self_attn.q_proj.weight is of type IQ4_XS, and F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, BF16, MXFP4 are read; take another file of the model, as Q4_K_M or Q8_0. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.1 = 99), @"cannot run FOLDER/a.gguf: tensor model.layers.0.self_attn.q_proj.weight is of type 99, and F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, BF16, MXFP4 are read; take another file of the model, as Q4_K_M or Q8_0. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.2 = vec![usize::MAX, 2]), @"FOLDER/a.gguf: tensor blk.0.attn_q.weight is larger than any file");
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.2 = vec![16, 32]), @"FOLDER/a.gguf: tensor model.layers.0.self_attn.q_proj.weight has the shape [16, 32], not [64, 32]");
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.2 = vec![1; 9]), @"FOLDER/a.gguf: tensor blk.0.attn_q.weight has 9 dimensions");
    insta::assert_snapshot!(tensor(name, &|tensor| tensor.0 = "blk.0.attn_k.weight".into()), @"FOLDER/a.gguf: it has tensor blk.0.attn_k.weight twice");
    // An offset so large that its place would come out before the beginning.
    let place = (bytes
        .windows(name.len())
        .position(|found| found == name.as_bytes())
        .unwrap())
        + name.len()
        + 4
        + 16
        + 4;
    let mut wrapped = bytes.clone();
    wrapped[place..place + 8].copy_from_slice(&(u64::MAX - 31).to_le_bytes());
    insta::assert_snapshot!(of(&wrapped), @"FOLDER/a.gguf: its tensors lie beyond any file's end");
}

#[test]
fn no_damage_to_a_header_is_a_panic() {
    let folder = Folder::new("damage");
    let whole = WrittenGguf::read("qwen3.gguf").bytes();
    let header = Header::parse_bytes(&whole).unwrap();
    let end = header.tensors.iter().map(|info| info.start).min().unwrap() as usize;
    let interesting = [0u8, 1, 0x7f, 0x80, 0xff];
    for at in (0..end).step_by(97) {
        for value in interesting {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let path = folder.write("a.gguf", &bytes);
            // Whatever comes of it.
            let _ = Checkpoint::read_gguf(&path).map(|checkpoint| checkpoint.memory_plan());
        }
    }
}
