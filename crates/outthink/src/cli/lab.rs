//! What can be typed after the commands of the lab: studies, their stores, and what is made of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outthink_answer::AnyDomain;
use outthink_core::AnyMethod;
use outthink_core::method::PAPER;
use outthink_strategy::Unit;

#[derive(Debug, Args)]
pub(crate) struct StudyArguments {
    /// Recipe file; flags override it
    #[arg(value_name = "RECIPE.toml")]
    pub(crate) recipe: Option<PathBuf>,
    /// A known set (`outthink data list`), a file, or `micro`, `grid` or `both` for fresh problems
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) dataset: Option<String>,
    /// How many problems, from the first
    #[arg(long, value_name = "COUNT")]
    pub(crate) problems: Option<usize>,
    /// The dataset's column with the problem [default: guessed]
    #[arg(long, value_name = "NAME")]
    pub(crate) problem_column: Option<String>,
    /// The dataset's column with the answer [default: guessed]
    #[arg(long, value_name = "NAME")]
    pub(crate) answer_column: Option<String>,
    /// The dataset's column with each problem's id [default: guessed]
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: Option<String>,
    /// Policies, separated by commas: names, folders, GGUF files or servers
    #[arg(long, value_name = "MODEL|URL", value_delimiter = ',')]
    pub(crate) policy: Vec<String>,
    /// Verifiers, separated by commas [default: none]
    #[arg(long, value_name = "MODEL|URL|none", value_delimiter = ',')]
    pub(crate) verifier: Vec<String>,
    /// Calibration of the study's one verifier, as `outthink audit --save-calibration` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    #[arg(long, value_delimiter = ',', help = format!(
        "{} [default: {}, as far as the verifiers allow]",
        AnyMethod::names(),
        PAPER.map(AnyMethod::name).join(", ")
    ))]
    pub(crate) methods: Vec<AnyMethod>,
    /// Strategies to try beside the methods: files that `outthink tune` wrote, for their policies, or `paper` or `search-and-learn`, for all; without --policy and --verifier, a file's own
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',')]
    pub(crate) strategy: Vec<String>,
    /// Sample budgets N
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) budgets: Vec<usize>,
    /// M, for methods that go step by step [default: 4]
    #[arg(long, value_name = "M", value_delimiter = ',')]
    pub(crate) widths: Vec<usize>,
    /// Seed of the first run
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How many runs
    #[arg(long, value_name = "COUNT")]
    pub(crate) seeds: Option<usize>,
    /// Where every sample is kept: a file, or postgres://… for many workers [default: NAME.sqlite]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// The study's name in the store [default: the recipe's, or the data set's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Take the place of a study of that name; its samples stay in the store
    #[arg(long)]
    pub(crate) replace: bool,
    /// What the problems are about: how answers are found, told apart and graded [default: the recipe's, or maths]
    #[arg(long)]
    pub(crate) domain: Option<AnyDomain>,
    /// Sampling temperature of all policies [default: the profile's]
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f64>,
    /// Sample from the likeliest tokens that together reach this probability [default: the profile's]
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f64>,
    /// Print the plan and what it would cost, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do only the i-th of n parts of the problems
    #[arg(long, value_name = "i/n")]
    pub(crate) shard: Option<String>,
    /// Stop after this many floating-point operations
    #[arg(long, value_name = "FLOPS")]
    pub(crate) max_flops: Option<f64>,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_seconds: Option<f64>,
    /// Stop when this much money is spent, by the recipe's prices
    #[arg(long, value_name = "MONEY")]
    pub(crate) max_cost: Option<f64>,
    /// Seconds after which the lease of a silent worker runs out
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub(crate) lease: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// The study [default: the only one of the store]
    pub(crate) study: Option<String>,
    /// The store [default: STUDY.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// Folder to write to [default: STUDY-report]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print every number as a JSON object per line instead
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TuneArguments {
    /// The study to fit on [default: the only one of the store]
    pub(crate) study: Option<String>,
    /// The store [default: STUDY.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// The policy [default: the only one, or with --report all]
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// What budgets are counted in: samples, tokens, flops, seconds or money
    #[arg(long, default_value_t = Unit::Samples)]
    pub(crate) unit: Unit,
    /// Folds of the cross-validation; the runs of a problem stay together
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub(crate) folds: usize,
    /// Which problems go to which fold
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// A study of other problems to test on
    #[arg(long, value_name = "STUDY")]
    pub(crate) test: Option<String>,
    /// Where to write the strategy [default: strategy.toml, or with --report one for each policy in its folder]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Folder to write a report to: README.md, a chart and the strategies
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Print a JSON object for each policy and budget
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Verifier, as in `outthink solve`, or as --study calls it; several are compared [default: the embedded PRMs, or the study's]
    #[arg(long, value_name = "MODEL")]
    pub(crate) verifier: Vec<String>,
    /// The model that an implicit PRM was trained from
    #[arg(long, value_name = "MODEL")]
    pub(crate) verifier_reference: Option<String>,
    /// Score solutions longer than the verifier's context in overlapping windows [default: they fail]
    #[arg(long)]
    pub(crate) verifier_windows: bool,
    /// Solutions with labels: a known set (`outthink data list`), or JSON lines as ProcessBench, PRMBench, BIG-Bench-Mistake, MR-GSM8K or TRL
    /// have them; `-` is standard input, `micro` draws them [default: micro, or what --study holds]
    #[arg(long, value_name = "NAME|FILE|micro")]
    pub(crate) data: Option<PathBuf>,
    /// Call the first step below this the first error [default: chosen on one half of the problems, measured on the other]
    #[arg(long, value_name = "REWARD", conflicts_with = "pool")]
    pub(crate) threshold: Option<f64>,
    /// A stored study of the verifiers: what rules of selection make of their rewards, and what judging well is worth there; without
    /// --data its solutions and rewards are audited, and no model is asked
    #[arg(long, value_name = "STUDY")]
    pub(crate) study: Option<String>,
    /// A stored study, or a file of samples as `outthink import` reads it: what its rewards and outcomes say of their verifiers without
    /// labels of steps; no model is asked
    #[arg(long, value_name = "STUDY|FILE", conflicts_with_all = ["data", "study", "save_calibration"])]
    pub(crate) pool: Option<String>,
    /// The study's store [default: STUDY.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// micro: how many problems
    #[arg(long, default_value_t = 400, value_name = "COUNT")]
    pub(crate) problems: usize,
    /// micro: which policy's solutions, two of each problem
    #[arg(long, default_value = "micro-90k", value_name = "MODEL")]
    pub(crate) policy: String,
    /// micro: which problems and which draws
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object per verifier instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the one verifier's isotonic map to a file, for --calibration of solve, study and serve
    #[arg(long, value_name = "FILE")]
    pub(crate) save_calibration: Option<PathBuf>,
    /// Combine the verifiers of --pool's study: fit a weight for each, say what their vote is worth together, and write the weights to
    /// a file that --verifier takes
    #[arg(long, value_name = "FILE", requires = "pool")]
    pub(crate) save_combination: Option<PathBuf>,
    /// Fit the weights on what the verifiers agree on, not on which solutions are right
    #[arg(long, requires = "save_combination")]
    pub(crate) without_labels: bool,
    /// Write index.html, README.md, figures, audit.jsonl and, of a study, the trees of the worst examples into a folder
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TreeArguments {
    /// The study
    pub(crate) study: String,
    /// The problem
    pub(crate) problem: String,
    /// The store [default: STUDY.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// A method of the study; the pool of majority and best-of-n is best-of-n's [default: beam, or else what the study has]
    #[arg(long)]
    pub(crate) method: Option<AnyMethod>,
    /// N [default: the largest]
    #[arg(long, value_name = "N")]
    pub(crate) budget: Option<usize>,
    /// Whose solutions [default: the last policy's]
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Whose rewards [default: the last verifier's]
    #[arg(long, value_name = "NAME")]
    pub(crate) verifier: Option<String>,
    /// Which run [default: the first]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Score every step with this verifier as well
    #[arg(long, value_name = "MODEL")]
    pub(crate) compare: Option<String>,
    /// Terminal: most children shown of a step, the best of them
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    pub(crate) children: usize,
    /// Write a page that needs nothing else, instead
    #[arg(long, value_name = "FILE.html")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    /// One SQL query
    pub(crate) query: String,
    /// The store [default: the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RegradeArguments {
    /// The study's name in the store [default: the only one]
    pub(crate) study: Option<String>,
    /// The store [default: STUDY.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The store [default: NAME.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// The study's name in the store [default: the only one]
    pub(crate) study: Option<String>,
    // As it was called before, and still may be.
    #[arg(long, hide = true, conflicts_with = "study")]
    pub(crate) name: Option<String>,
    /// What is written
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: Format,
    /// The file [default: standard output], or the folder of logs; results are JSON lines where its name ends in .jsonl
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One line of JSON per sample
    Jsonl,
    /// One row per problem, seed, method and budget, as CSV: answer, correct, agreement, tokens, FLOPs
    Results,
    /// One row per problem, policy and run, with search-and-learn's columns; only pools
    Parquet,
    /// A log of Inspect's for each policy, every sample of a problem an epoch; only pools
    Inspect,
    /// A folder of lm-eval's for each policy, every sample of a problem a response; only pools
    LmEval,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Files, folders or archives of samples; `-` is standard input; several become one study
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The store; made if it is not there [default: NAME.sqlite]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// What to call the study [default: the first file's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The policy, where the file does not tell it; models of one name are one model in all studies
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// The verifier of the rewards, where the file does not tell it
    #[arg(long, value_name = "NAME")]
    pub(crate) verifier: Option<String>,
    /// The search that kept the samples (beam, dvts, …), or best-of-n for plain draws [default: what the file says]
    #[arg(long)]
    pub(crate) method: Option<AnyMethod>,
    /// Problem set whose ids, gold answers and levels count; joined by the problems' texts
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) dataset: Option<String>,
    /// What the problems are about: how answers are found, told apart and graded
    #[arg(long, default_value = "maths")]
    pub(crate) domain: AnyDomain,
    /// Whose verdicts count: ours, or the file's where nothing here can grade its answers
    #[arg(long, value_enum, default_value = "ours")]
    pub(crate) verdicts: VerdictsOf,
    /// A policy made of several: its samples are theirs, in this order
    #[arg(long, value_name = "NAME=POLICY,POLICY,…", value_parser = ensemble)]
    pub(crate) ensemble: Vec<(String, Vec<String>)>,
    /// Write the samples whose verdict differs from the file's as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) differences: Option<PathBuf>,
    /// Take the place of a study of that name; its samples stay in the store
    #[arg(long)]
    pub(crate) replace: bool,
    /// Only say what the samples are and what is doubtful; store nothing
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PoolsArguments {
    /// The list of pools
    #[arg(value_name = "RECIPE.toml")]
    pub(crate) recipe: PathBuf,
    /// The folder with their files
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder to write the report to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A store to keep the studies in [default: none is kept]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VerdictsOf {
    /// Every answer is graded anew
    Ours,
    /// What the file says is right; answers of the same text are the same
    File,
}

/// `NAME=POLICY,POLICY`.
fn ensemble(text: &str) -> Result<(String, Vec<String>), String> {
    let split = text.split_once('=');
    let (name, members) = split.ok_or("an ensemble is NAME=POLICY,POLICY,…")?;
    let members: Vec<String> = members
        .split(',')
        .map(|member| member.trim().to_owned())
        .filter(|member| !member.is_empty())
        .collect();
    match name.trim().is_empty() || members.is_empty() {
        true => Err("an ensemble is NAME=POLICY,POLICY,…".into()),
        false => Ok((name.trim().to_owned(), members)),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// List the known sets and which are here
    List,
    /// Fetch a set and check it
    #[command(
        after_help = "NAME is math-500, math, gsm8k, gsm8k-train, svamp, aime24, aime25 or amc23 (by checksum; MATH500 and aime-2024 are understood),
or owner/name/FILE for a file of a dataset on the Hugging Face hub. Sets are kept in OUTTHINK_DATA [default:
~/.cache/outthink/data]; OUTTHINK_DATA_ENDPOINT and HF_ENDPOINT name mirrors.

Example: outthink data get math-500 && outthink study --dataset math-500 --policy micro-0.3m --methods majority --budgets 4"
    )]
    Get {
        /// Which set
        name: String,
    },
}
