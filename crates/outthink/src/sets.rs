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
    /// Solutions with labelled steps, for `outthink audit --data`; else problems with answers.
    pub(crate) labelled: bool,
    /// Kept one after the other as one file.
    pub(crate) parts: &'static [Part],
}

const RAW: &str = "https://raw.githubusercontent.com";
/// What a repository keeps by Git LFS: there the hash is part of the commit.
const LFS: &str = "https://media.githubusercontent.com/media";

/// ProcessBench, BIG-Bench-Mistake and PRMBench are sets of solutions with labelled steps. MATH-500, AIME 2024 and AMC 2023 are the files of the paper's own code, which its numbers were measured on; GSM8K, SVAMP and
/// MATH are their authors' own (MATH as PRM800K splits it: 12,000 and 500).
pub(crate) const KNOWN: [Known; 18] = [
    Known {
        name: "math-500",
        also: &["math500"],
        problems: 500,
        licence: "MIT",
        kind: "jsonl",
        endpoint: RAW,
        labelled: false,
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
        labelled: false,
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
        labelled: false,
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
        labelled: false,
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
        labelled: false,
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
        labelled: false,
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
        labelled: false,
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
        labelled: false,
        parts: &[Part {
            path: "RyanLiu112/compute-optimal-tts/0ee2578af1f8d6cac445c9c4c72780528bb94556/src/envs/MATH/dataset/test_amc.jsonl",
            bytes: 17_096,
            sha256: "f05df430d24227cad6c2c1cafb1253fed25b96e2b568a469400e048accd57d26",
        }],
    },
    Known {
        name: "processbench-gsm8k",
        also: &[],
        problems: 400,
        licence: "Apache-2.0",
        kind: "json",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "ljxzs-jjlzs/ProcessBench/e607025b8d00e46838d5b84170c96529ba19c53d/code/dataset/gsm8k.json",
            bytes: 574_343,
            sha256: "fb1c59dfd1e83e1c5a48dbe598db27e4bc0b8bc524a09445f2d4b69178f61349",
        }],
    },
    Known {
        name: "processbench-math",
        also: &[],
        problems: 1000,
        licence: "Apache-2.0",
        kind: "json",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "ljxzs-jjlzs/ProcessBench/e607025b8d00e46838d5b84170c96529ba19c53d/code/dataset/math.json",
            bytes: 1_938_778,
            sha256: "60cb0d7a69cbec98d43cf50855b9b7e7294599c3c9a24bdd031abd18c3b6b136",
        }],
    },
    Known {
        name: "processbench-olympiadbench",
        also: &[],
        problems: 1000,
        licence: "Apache-2.0",
        kind: "json",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "ljxzs-jjlzs/ProcessBench/e607025b8d00e46838d5b84170c96529ba19c53d/code/dataset/olympiadbench.json",
            bytes: 2_808_955,
            sha256: "e9d801c9f3c03f949adbfa08e90cb21ad85c0b9224bc5e98326f8215c218aa55",
        }],
    },
    Known {
        name: "processbench-omnimath",
        also: &[],
        problems: 1000,
        licence: "Apache-2.0",
        kind: "json",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "ljxzs-jjlzs/ProcessBench/e607025b8d00e46838d5b84170c96529ba19c53d/code/dataset/omnimath.json",
            bytes: 2_842_872,
            sha256: "e8d7cf4512c82168dae2fe48b1718069a3002e7910af1d180a27ee0d9948ba47",
        }],
    },
    Known {
        name: "bigbench-mistake-dyck-languages",
        also: &[],
        problems: 986,
        licence: "Apache-2.0",
        kind: "jsonl",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "WHGTyen/BIG-Bench-Mistake/270683a4ecce6f3b22c4ab28a204ab8fa09f2517/dyck_languages.jsonl",
            bytes: 947_649,
            sha256: "38cf1f524d119ce8d12c21d933ed8aa8d82bb5a36c4f6e71ed499ede234512f4",
        }],
    },
    Known {
        name: "bigbench-mistake-logical-deduction",
        also: &[],
        problems: 300,
        licence: "Apache-2.0",
        kind: "jsonl",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "WHGTyen/BIG-Bench-Mistake/270683a4ecce6f3b22c4ab28a204ab8fa09f2517/logical_deduction.jsonl",
            bytes: 743_519,
            sha256: "f521efec7c975558ac6a35e8d66a84bc17ff696865c622bc93604307bc63f0cd",
        }],
    },
    Known {
        name: "bigbench-mistake-multistep-arithmetic",
        also: &[],
        problems: 300,
        licence: "Apache-2.0",
        kind: "jsonl",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "WHGTyen/BIG-Bench-Mistake/270683a4ecce6f3b22c4ab28a204ab8fa09f2517/multistep_arithmetic.jsonl",
            bytes: 192_067,
            sha256: "b3f9a99e62bdcb758d6cafc531a43f6d6bca6812190cce4f982d1c01ac0767d3",
        }],
    },
    Known {
        name: "bigbench-mistake-tracking-shuffled-objects",
        also: &[],
        problems: 300,
        licence: "Apache-2.0",
        kind: "jsonl",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "WHGTyen/BIG-Bench-Mistake/270683a4ecce6f3b22c4ab28a204ab8fa09f2517/tracking_shuffled_objects.jsonl",
            bytes: 301_489,
            sha256: "637282d5721b76fb5a1d3b1eedef0b476b2a6634bd91f281ca69b782a670bd42",
        }],
    },
    Known {
        name: "bigbench-mistake-word-sorting",
        also: &[],
        problems: 300,
        licence: "Apache-2.0",
        kind: "jsonl",
        endpoint: RAW,
        labelled: true,
        parts: &[Part {
            path: "WHGTyen/BIG-Bench-Mistake/270683a4ecce6f3b22c4ab28a204ab8fa09f2517/word_sorting.jsonl",
            bytes: 1_075_927,
            sha256: "e9deb2c57f7fc87f2d10336bc350c93c599bd3f483e3fb0ffb54854257ef8159",
        }],
    },
    Known {
        name: "prmbench",
        also: &["prmbenchprm800k"],
        problems: 2848,
        licence: "Apache-2.0",
        kind: "jsonl",
        endpoint: RAW,
        labelled: true,
        parts: &[
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_circular.jsonl",
                bytes: 288_222,
                sha256: "7205855b6b7e9a161b9b7c1e163274bea5b9ecd4ba0a435100e8e545fea42a4a",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_circular.jsonl",
                bytes: 752_990,
                sha256: "531060d9a79fb9561b046361258c993bfe06a6e8df18e0f8f30bb28df0a200c4",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_confidence.jsonl",
                bytes: 310_456,
                sha256: "17ec2af85dfb6cc230c9d4c6f3b6b9b7668d5bcb7db0e8ae9e2b6b74e6b5a509",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_confidence.jsonl",
                bytes: 824_926,
                sha256: "53ba01695ab145a8393f20cac6f96b9b836e39f169fc4ff18d7ed48cac9c1a0d",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_counterfactual.jsonl",
                bytes: 308_466,
                sha256: "18774eff6acc1a1ff8d8be5168d451511a1bb42d1b6a000f50db008cfb0a0d54",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_counterfactual.jsonl",
                bytes: 824_881,
                sha256: "8910343b84696dc2b36cc7b1833e934897e55c66bbe4b93d5040736443a2f03d",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_deception.jsonl",
                bytes: 297_924,
                sha256: "5a68973f459b49be56e6e2d375bf69668dcf8476c79096c1541e293bb02df44f",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_deception.jsonl",
                bytes: 816_482,
                sha256: "b98ba8ef38abbcb04ce8766e1bcb80e6aafb19661da675e3c2334e44ace3acdd",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_domain_inconsistency.jsonl",
                bytes: 307_869,
                sha256: "551818a44f7ccebda16743711f6f60198cd6617296c559243b3866fd7f562f0d",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_domain_inconsistency.jsonl",
                bytes: 836_151,
                sha256: "66bc63f3080fcbe8b372f0fe460b4f26f9ffd1cedef9a85e4cd354c9547ca479",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_missing_condition.jsonl",
                bytes: 308_540,
                sha256: "216f8ea75d585becbb915070faa39b46ac07f618e7ece33bb3931ff0247b371c",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_missing_condition.jsonl",
                bytes: 845_385,
                sha256: "93b52efc514eeaed3156c1fccf3c9e4e7b633f0eb131c1a50a3b9a1d45b6c18c",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_redundency.jsonl",
                bytes: 304_187,
                sha256: "0c23552bf0abb801acc11ee18954c4595101f334761362afa809af76238eb2c9",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_redundency.jsonl",
                bytes: 836_159,
                sha256: "e729812baf0c3456dc7eafb856a8380f9c21579ea225f307d0edd947cd5e2746",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p1_4o_step_contradiction.jsonl",
                bytes: 309_610,
                sha256: "7d291f5596715f8b21db2aae2ebcc5b7347b099f0cc66a7a2788ee56601c4aa8",
            },
            Part {
                path: "ssmisya/PRMBench/a1ae4eab803e14c4c6316bf89d1679b0486faa8c/mr_eval/tasks/prmtest_classified/data/prm800k_test_p2_4o_step_contradiction.jsonl",
                bytes: 815_381,
                sha256: "7c77a62dfb9165db3d5033732eaef161b6d8dee09d548db6cb08d1a5ed4e74ac",
            },
        ],
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
