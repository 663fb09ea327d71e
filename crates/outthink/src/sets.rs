//! Problem sets that are known by name: where they come from, and by which hash they are recognised.

/// A file that is fetched.
pub(crate) struct Part {
    /// Below the endpoint: repository, commit, file.
    pub(crate) path: &'static str,
    pub(crate) bytes: usize,
    pub(crate) sha256: &'static str,
}

/// A set that is known by name.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// What others call it; case and hyphens do not count.
    also: &'static [&'static str],
    pub(crate) problems: usize,
    pub(crate) licence: &'static str,
    /// How its file's name ends.
    pub(crate) kind: &'static str,
    /// Where it comes from, if not from a mirror.
    pub(crate) endpoint: &'static str,
    /// Kept one after the other as one file.
    pub(crate) parts: &'static [Part],
}

const RAW: &str = "https://raw.githubusercontent.com";
/// What a repository keeps by Git LFS: there the hash is part of the commit.
const LFS: &str = "https://media.githubusercontent.com/media";

/// MATH-500, AIME 2024 and AMC 2023 are the files of the paper's own code, which its numbers were measured on; GSM8K, SVAMP and
/// MATH are their authors' own (MATH as PRM800K splits it: 12,000 and 500).
pub(crate) const KNOWN: [Known; 8] = [
    Known {
        name: "math-500",
        also: &["math500"],
        problems: 500,
        licence: "MIT",
        kind: "jsonl",
        endpoint: RAW,
        parts: &[Part {
            path: "RyanLiu112/compute-optimal-tts/0ee2578af1f8d6cac445c9c4c72780528bb94556/src/envs/MATH/dataset/test500.jsonl",
            bytes: 450_564,
            sha256: "5a424d924a5f09323bb008b487e6971210dc5b2846db0699c777cd53982f08eb",
        }],
    },
    Known {
        name: "math",
        also: &["hendrycksmath", "competitionmath", "math12500", "math12k"],
        problems: 12_500,
        licence: "MIT",
        kind: "jsonl",
        endpoint: LFS,
        parts: &[
            Part {
                path: "openai/prm800k/7ecc794703b2877f63226f2477a49b34f9b25163/prm800k/math_splits/train.jsonl",
                bytes: 10_896_985,
                sha256: "90d96daeac3fe343ebb1e22ce93dd99690f75983e957f88de42f87cffe1e8076",
            },
            Part {
                path: "openai/prm800k/7ecc794703b2877f63226f2477a49b34f9b25163/prm800k/math_splits/test.jsonl",
                bytes: 446_564,
                sha256: "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
            },
        ],
    },
    Known {
        name: "gsm8k",
        also: &["gsm8ktest", "gradeschoolmath"],
        problems: 1319,
        licence: "MIT",
        kind: "jsonl",
        endpoint: RAW,
        parts: &[Part {
            path: "openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/test.jsonl",
            bytes: 749_738,
            sha256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
        }],
    },
    Known {
        name: "gsm8k-train",
        also: &[],
        problems: 7473,
        licence: "MIT",
        kind: "jsonl",
        endpoint: RAW,
        parts: &[Part {
            path: "openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/train.jsonl",
            bytes: 4_166_206,
            sha256: "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
        }],
    },
    Known {
        name: "svamp",
        also: &[],
        problems: 1000,
        licence: "MIT",
        kind: "json",
        endpoint: RAW,
        parts: &[Part {
            path: "arkilpatel/SVAMP/689d7ccac74b9983a2ac7cc3b264f441b99e7c53/SVAMP.json",
            bytes: 339_970,
            sha256: "5be77703a6d891ae476d7c082787ad361392aa02453b132516cdd5f4e7934e3e",
        }],
    },
    Known {
        name: "aime24",
        also: &["aime2024"],
        problems: 30,
        licence: "problems (c) MAA",
        kind: "jsonl",
        endpoint: RAW,
        parts: &[Part {
            path: "RyanLiu112/compute-optimal-tts/0ee2578af1f8d6cac445c9c4c72780528bb94556/src/envs/MATH/dataset/test_aime.jsonl",
            bytes: 146_358,
            sha256: "05e3fec6cf168bdbadba7f737a47efff8fafef9a11bf2d8c93e4eb334c54251f",
        }],
    },
    Known {
        name: "aime25",
        also: &["aime2025"],
        problems: 30,
        licence: "problems (c) MAA",
        kind: "jsonl",
        endpoint: RAW,
        parts: &[Part {
            path: "armenjeddi/mcd/76771f969048ebd77a1b4261b0a3469192c6f92a/evaluation/data/aime25/test.jsonl",
            bytes: 33_113,
            sha256: "19a9f25a12e89abaeea9f7e214f8b6f6eae43285e9d8df7a3818ca0408df4b07",
        }],
    },
    Known {
        name: "amc23",
        also: &["amc2023"],
        problems: 40,
        licence: "problems (c) MAA",
        kind: "jsonl",
        endpoint: RAW,
        parts: &[Part {
            path: "RyanLiu112/compute-optimal-tts/0ee2578af1f8d6cac445c9c4c72780528bb94556/src/envs/MATH/dataset/test_amc.jsonl",
            bytes: 17_096,
            sha256: "f05df430d24227cad6c2c1cafb1253fed25b96e2b568a469400e048accd57d26",
        }],
    },
];

/// `MATH-500`, `math_500` and `Math 500` are one name.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_ascii_alphanumeric());
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

impl Known {
    /// The set of a name, however it is written.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        // A path is no name.
        let spelled = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
        if !name.chars().all(spelled) {
            return None;
        }
        let wanted = plain(name);
        KNOWN
            .iter()
            .find(|own| own.called().any(|name| name == wanted))
    }

    /// The set that may be meant: `openai/gsm8k`, `gsm8k.jsonl`, `svmap`.
    pub(crate) fn like(name: &str) -> Option<&'static Self> {
        /// From this likeness on; 1 is the same.
        const ALIKE: f64 = 0.75;
        let last = name
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or(name);
        let last = last.strip_suffix(".gz").unwrap_or(last);
        let bare = plain(last.rsplit_once('.').map_or(last, |(bare, _)| bare));
        let alike = |own: &Self| {
            let each = own
                .called()
                .map(|name| strsim::normalized_damerau_levenshtein(&name, &bare));
            each.fold(0.0, f64::max)
        };
        let best = KNOWN.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        best.filter(|own| alike(own) >= ALIKE)
    }

    fn called(&self) -> impl Iterator<Item = String> {
        let own = std::iter::once(plain(self.name));
        own.chain(self.also.iter().map(|name| (*name).to_owned()))
    }

    /// The names of all, for messages.
    pub(crate) fn names() -> String {
        KNOWN.map(|known| known.name).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_any_spelling_and_a_near_one_is_offered() {
        let found = |name| Known::find(name).map(|known| known.name);
        for (name, known) in [
            ("math-500", "math-500"),
            ("math500", "math-500"),
            ("MATH-500", "math-500"),
            ("aime-2024", "aime24"),
            ("AIME_25", "aime25"),
            ("AMC 2023", "amc23"),
            ("GSM8K", "gsm8k"),
            ("gsm8k_train", "gsm8k-train"),
            ("MATH", "math"),
            ("SVAMP", "svamp"),
        ] {
            assert_eq!(found(name), Some(known), "{name}");
        }
        for name in [
            "./math",
            "openai/gsm8k",
            "math.jsonl",
            "micro",
            "mathematics",
            "",
        ] {
            assert_eq!(found(name), None, "{name}");
        }
        let like = |name| Known::like(name).map(|known| known.name);
        assert_eq!(like("openai/gsm8k"), Some("gsm8k"));
        assert_eq!(like("HuggingFaceH4/MATH-500"), Some("math-500"));
        assert_eq!(like("data/gsm8k.jsonl.gz"), Some("gsm8k"));
        assert_eq!(like("svmap"), Some("svamp"));
        assert_eq!(like("gms8k"), Some("gsm8k"));
        assert_eq!(like("own.csv"), None);
    }
}
