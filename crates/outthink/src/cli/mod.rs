//! What can be typed.

pub(crate) mod environment;
pub(crate) mod help;
mod lab;
mod model;
mod probe;
mod quorum;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use outthink_answer::{AnyDomain, Mode};
use outthink_core::{AnyMethod, Finished, Selection};
use outthink_micro::domain::{Kind, Level, Split};

pub(crate) use lab::{
    AuditArguments, Data, ExportArguments, Format, ImportArguments, PoolsArguments,
    RegradeArguments, ReportArguments, SqlArguments, StudyArguments, TreeArguments, TuneArguments,
    VerdictsOf,
};
pub(crate) use model::{PolicyChoice, VerifierChoice};
pub(crate) use probe::{ProbeCommand, ProbeFit};
pub(crate) use quorum::QuorumChoice;

/// Make a small language model outthink a big one: spend computation at inference time where it buys the most
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit status: 0 success; 1 something failed on the way (no network, an address in use, no answer found, a failed unit);
2 wrong input or settings (also a server that is not there, or refuses the key); 101 a fault of outthink itself; 130 interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: the embedded models on fresh problems, with costs, intervals and a chart
    #[command(after_help = "Examples:
  outthink demo
  outthink demo --problems 400 --seed 3
  outthink demo --json > demo.json")]
    Demo(Demo),
    /// Answer one problem
    #[command(after_help = r"Examples:
  outthink solve 'Evaluate $(17+19)\cdot 4-16$.'
  outthink solve 'Solve $2(4(x+8)+38)=332$ for $x$.' --method dvts --budget 64 --gold 24
  echo 'Solve $5x-7=23$ for $x$.' | outthink solve - --json
  outthink solve --policy ./my-model --budget 16 'What is $17\cdot 24$?'
  outthink solve --policy http://127.0.0.1:8080/v1 --method majority 'What is $17\cdot 24$?'
  outthink solve 'What is $17\cdot 24$?' \
    --policy Qwen/Qwen2.5-0.5B-Instruct --verifier Qwen/Qwen2.5-Math-PRM-7B
  outthink solve --strategy strategy.toml --budget 64 'Evaluate $(17+19)\cdot 4-16$.'
  outthink solve --jsonl problems.csv --method majority --budget 16 --out answers.jsonl
  outthink solve --strategy strategy.toml --jsonl problems.jsonl --total 6400 --out answers.jsonl

The embedded models know four kinds of problem only (outthink micro generate --seed 1 --count 5 shows three; grid-90k and its family
fill grids: with --kind grid); for anything else name a model with --policy.

Exit status: 0 if an answer was found, 1 if none was or something failed, 2 for wrong input,
a server that is not there, or one that refuses the key.")]
    Solve(Box<Solve>),
    /// Continue a conversation with a policy
    #[command(after_help = "Examples:
  outthink generate --policy Qwen/Qwen2.5-0.5B-Instruct --prompt 'What is 12 times 12?'
  outthink generate --policy ./model --messages chat.json --n 4 --temperature 0.8 --json

FILE holds a JSON list of {role, content}.")]
    Generate(Generate),
    /// Score the steps of given solutions with a verifier
    #[command(
        after_help = r#"Each line of FILE holds {"problem": "…", "steps": ["…"]}; each line out {"rewards", "usage"}, or {"error"} for a solution
that cannot be scored (exit status 1).

Examples:
  outthink score --verifier ./Qwen2.5-Math-PRM-7B --jsonl solutions.jsonl
  outthink score --verifier PRIME-RL/EurusPRM-Stage2 \
    --verifier-reference Qwen/Qwen2.5-Math-7B-Instruct --jsonl solutions.jsonl"#
    )]
    Score(Score),
    /// Load a policy and a verifier, show how they are read, and check that they work together
    #[command(after_help = "Examples:
  outthink doctor
  outthink doctor --policy http://127.0.0.1:8080/v1
  outthink doctor --policy ./qwen2.5-0.5b-instruct-q8_0.gguf
  outthink doctor --policy meta-llama/Llama-3.2-1B-Instruct \
    --verifier Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B

Exit status: 0 if what was named works, though perhaps not for every method; 1 if a check failed; 2 for wrong input,
a server that is not there, or one that refuses the key.")]
    Doctor(Doctor),
    /// Serve a verifier to other machines, through vLLM's /pooling API
    #[command(after_help = r"Example:
  outthink prm-serve --verifier peiyi9979/math-shepherd-mistral-7b-prm \
    --listen 0.0.0.0:8300 --keys keys.toml
and there, with the key in OUTTHINK_VERIFIER_KEY:
  outthink solve '…' --policy ./my-model --verifier http://this-host:8300/v1 \
    --verifier-tokenizer peiyi9979/math-shepherd-mistral-7b-prm")]
    PrmServe(PrmServe),
    /// Write pickled PyTorch weights (pytorch_model.bin) as safetensors
    #[command(
        after_help = "The pickle is read as data; no code in it runs.\n\nExample: outthink convert ./Skywork-o1-Open-PRM-Qwen-2.5-1.5B --out ./skywork"
    )]
    Convert {
        /// Folder of the checkpoint
        folder: PathBuf,
        /// Folder to write to; made if it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// List the embedded models, the profiles, and what the hub's cache holds
    Models,
    /// Is an answer right? Compare mathematical answers, one pair or a file of them
    #[command(
        after_help = r#"Each line of FILE holds {"id", "gold", "prediction"} and may hold "gold_kind" and "pred_kind" ("answer": as inside
\boxed{}, the default; "text": a response, the answer is extracted first), "expected" (true or false) and "category". Each
line out is {"id", "equal", "rule", "reason"}; with expected verdicts, the last line is {"summary": …}.

Exit status: 0 if all lines were graded, or the pair is equal; 1 if the pair is not, or a line was malformed; 2 for wrong use.

Examples:
  outthink grade --gold '\frac{1}{2}' --prediction '0.5'
  outthink grade --gold '(2,4)' --prediction '2 < x < 4'
  outthink grade --gold 204 --text --prediction 'so the answer is $\boxed{204}$.'
  outthink grade --jsonl pairs.jsonl > verdicts.jsonl
  outthink grade --jsonl pairs.jsonl --rules qwen2.5-math"#
    )]
    Grade(Grade),
    /// Run a study: problems × policies × verifiers × methods × budgets, every sample stored once; interrupt it at any time, and the same command resumes
    #[command(after_help = "Examples:
  outthink study recipes/micro.toml
  outthink study recipes/micro.toml --dry-run
  outthink study --dataset micro --policy micro-90k --verifier micro-prm-short --budgets 4,16 --store try.sqlite
  outthink study --dataset micro:2 --strategy strategy.toml,paper --budgets 16,64 --store try.sqlite
  outthink study recipes/micro.toml --store postgres://localhost/outthink --shard 1/4

The same command goes on where an earlier one stopped, however it stopped. Exit status: 0 if no unit failed, else 1;
2 for wrong input, a server that is not there, or one that refuses the key.")]
    Study(Box<StudyArguments>),
    /// Tables and figures of a study: one HTML file, Markdown and SVG
    #[command(
        after_help = "Writes index.html, README.md and figures/*.svg into a folder; --json prints every number instead, one per line.

Examples:
  outthink report micro --store micro.sqlite --out micro-report
  outthink report micro --store micro.sqlite --json | grep beam"
    )]
    Report(ReportArguments),
    /// Fit a strategy on a study: which method, settings, verifier and N a problem gets for a budget
    #[command(
        after_help = "Everything shown is by cross-validation over problems, or on another study's problems (--test). Exit status: 0 if fitted.

Examples:
  outthink tune tune --store micro.sqlite --policy micro-0.3m -o strategy.toml
  outthink tune tune --store micro.sqlite --test test --report docs/micro-strategy
  outthink tune tune --store micro.sqlite --policy micro-0.3m --unit flops --json"
    )]
    Tune(TuneArguments),
    /// Know a verifier before you trust it: how it judges steps, how it fails and by how much
    #[command(
        after_help = r#"FILE holds ProcessBench's lines, {"problem", "steps", "label"} (label: the first wrong step from 0, or -1). Without one,
solutions are drawn from a micro policy and every step has an exact label. Thresholds are chosen on one half of the problems and
reported on the other; intervals are 95 % bootstraps over problems.

Examples:
  outthink audit
  outthink audit --verifier ./my-prm --data gsm8k.jsonl --json
  outthink audit --verifier micro-prm --verifier micro-prm-short --problems 1000 --report micro-audit
  outthink audit --verifier ./my-prm --data gsm8k.jsonl --save-calibration my-prm.toml
  outthink audit --study micro --store micro.sqlite --report micro-audit
  outthink audit --pool prms --store prms.sqlite --save-combination all.toml

Exit status: 0 if every solution was scored; 1 if one was not, or a line is malformed; 2 for wrong use."#
    )]
    Audit(AuditArguments),
    /// A verifier from one's own samples: a head on the policy's hidden states
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// Draw a search of a study as a tree, in the terminal or as a page: every step with its reward, kept or pruned
    #[command(
        after_help = "PROBLEM is an id, a text, or a number from 1. The steps of micro problems are checked; --compare scores them with another
verifier as well.

Examples:
  outthink tree micro 3 --store micro.sqlite
  outthink tree micro 3 --store micro.sqlite --method dvts --budget 256 --compare micro-prm-short --out tree.html"
    )]
    Tree(TreeArguments),
    /// Query a store in SQL, read-only
    #[command(
        after_help = "Rows are separated by tabs. Tables: study, cell, problem, unit, member, sample, reward, choice, journal.

Example: outthink sql --store micro.sqlite 'select answer, count(*) from sample where correct = 1 group by answer limit 5'"
    )]
    Sql(SqlArguments),
    /// Grade a study's stored solutions anew with this program's grader, where an earlier one judged them; no model is asked
    #[command(after_help = "Example: outthink regrade micro --store micro.sqlite")]
    Regrade(RegradeArguments),
    /// Write a study to a file: its samples, or its results for pandas or a spreadsheet
    #[command(after_help = "Examples:
  outthink export micro --store micro.sqlite > samples.jsonl
  outthink export --store micro.sqlite --format results --out results.csv
  outthink export --store micro.sqlite --format parquet --out pools.parquet
  outthink export --store micro.sqlite --format inspect --out logs")]
    Export(ExportArguments),
    /// Take in samples that other programs drew, grade them anew, and choose from them
    #[command(after_help = "FILE is recognised by what it holds:
  search-and-learn       JSON lines or Parquet with `completions` and `scores`
  compute-optimal-tts    its folder of `question_i/record_j.jsonl`
  lm-eval                `samples_*.jsonl`, or the folder of a run
  Inspect                logs, .eval or .json
  lighteval              `details_*.parquet`, or the folder of a run
  ZeroEval               `result_dirs/TASK/MODEL.json`
  TRL                    stepwise records (`prompt`, `completions`, `labels`)
  outthink               a line per sample (as `outthink export` writes them) or per problem
  anything else          rows with a problem, an answer and a model's responses
Folders, .tar.gz and .zip of them are read whole. Before anything is stored, samples that cannot be what they are said to be (answers
of other problems, rewards of other steps, copies) are told with their numbers.

Examples:
  outthink import samples.jsonl --store pools.sqlite --name theirs
  outthink import data/meta-llama/Llama-3.2-1B-Instruct --policy llama-1b --verifier rlhflow
  outthink import logs/2026-11-25_gsm8k.eval --name inspect-gsm8k
  outthink import gsm.jsonl.gz --ensemble small=gemma-2-2b-it,Phi-3.5-mini-instruct
  outthink study --dataset stored:theirs --policy stored:theirs --verifier ./my-prm --store pools.sqlite --name scored

Exit status: 0 if samples were stored; 1 if storing failed; 2 for a file that holds no samples.")]
    Import(ImportArguments),
    /// Pools that others published, from their files to one report: every rule at every N, audits, choices held out
    #[command(
        after_help = "RECIPE lists pools: files, names, sources, terms, and what others published of them. The report has a page for each pool and audit.

Example: outthink pools recipes/real-pools.toml --data pools --out docs/real-pools"
    )]
    Pools(PoolsArguments),
    /// The benchmarks' problems: fetch them and check them
    #[command(subcommand)]
    Data(Data),
    /// Serve models behind OpenAI's API, with searches and a console
    #[command(
        after_help = r#"The field `model` selects what answers: a policy's name gives the policy as it is, auto@POLICY and METHOD:POLICY search; {"outthink": {"budget": 64}}
in the body, or reasoning_effort, sets the budget.
Requests are logged on standard error; RUST_LOG=warn logs only what goes wrong. Each option can be given as a variable: --policy as
OUTTHINK_POLICY; what is typed counts for more.

Examples:
  outthink serve
  outthink serve --strategy strategy.toml
  outthink serve --policy Qwen/Qwen2.5-1.5B-Instruct --verifier Qwen/Qwen2.5-Math-PRM-7B
  outthink serve --policy http://127.0.0.1:8080/v1 --listen 127.0.0.1:9000
  outthink keys add alice --file keys.toml
  outthink serve --listen 0.0.0.0:8321 --keys keys.toml
  curl http://127.0.0.1:8321/v1/chat/completions \
    -d '{"model": "beam:micro-0.3m", "messages": [{"role": "user",
    "content": "Solve $5x-7=23$ for $x$."}]}'"#
    )]
    Serve(Serve),
    /// Make API keys for `outthink serve`
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Problems of the micro domain, and exact labels for steps
    #[command(subcommand)]
    Micro(Micro),
    /// Print a completion script for a shell
    #[command(after_help = "Example: outthink completions bash > /etc/bash_completion.d/outthink")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many problems of arithmetic; grids are cheaper, and three times as many
    #[arg(long, default_value_t = 200)]
    pub(crate) problems: usize,
    /// Random seed: which problems and which samples; grids come from this seed and the next two
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to write the chart
    #[arg(long, default_value = "outthink-demo.svg", value_name = "FILE")]
    pub(crate) chart: PathBuf,
    /// Measure every policy with every method at N = 4, 16, 64 and 256 (long)
    #[arg(long)]
    pub(crate) full: bool,
    /// Which problems to draw from: test, or tune for choosing settings
    #[arg(long, default_value = "test")]
    pub(crate) split: Split,
}

#[derive(Debug, Args)]
pub(crate) struct Solve {
    /// The problem; `-` reads it from standard input
    #[arg(required_unless_present = "jsonl")]
    pub(crate) problem: Option<String>,
    /// Many problems: a file or known set, read as `study --dataset` reads it; `-` is standard input. One line per problem is written
    #[arg(long, value_name = "FILE|NAME", conflicts_with_all = ["problem", "gold", "json"])]
    pub(crate) jsonl: Option<PathBuf>,
    /// The column of the file with the problem [default: guessed]
    #[arg(long, value_name = "NAME", requires = "jsonl")]
    pub(crate) problem_column: Option<String>,
    /// The column of the file with the answer [default: guessed]
    #[arg(long, value_name = "NAME", requires = "jsonl")]
    pub(crate) answer_column: Option<String>,
    /// The column of the file with each problem's id [default: guessed]
    #[arg(long, value_name = "NAME", requires = "jsonl")]
    pub(crate) id_column: Option<String>,
    /// One budget for all of them, in the strategy's unit (needs --strategy) [default: --budget for each]
    #[arg(long, value_name = "N", value_parser = positive, requires = "jsonl", conflicts_with = "budget")]
    pub(crate) total: Option<f64>,
    /// Where their answers go; the same command goes on where an earlier one was killed [default: standard output]
    #[arg(long, value_name = "FILE", requires = "jsonl")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyChoice,
    #[command(flatten)]
    pub(crate) verifier: VerifierChoice,
    /// Let a strategy choose method and settings: a file that `outthink tune` wrote, which brings its models; or `paper` or
    /// `search-and-learn`, fixed recipes for whichever models are named
    #[arg(long, help_heading = "Search", value_name = "FILE|NAME", conflicts_with_all = ["method", "selection", "width", "finished", "max_tokens", "temperature", "top_p", "verifier_reference", "verifier_windows", "calibration"])]
    pub(crate) strategy: Option<String>,
    #[arg(long, help_heading = "Search", help = format!(
        "{}; parameters follow a colon, as rebase:temperature=0.2 [default: beam; best-of-n where the policy only writes whole \
         answers; majority without a verifier]",
        AnyMethod::names()
    ))]
    pub(crate) method: Option<AnyMethod>,
    /// Sample budget N: generate at most N solutions, or as many tokens in partial ones [default: 16; 1 for cot]; with
    /// --strategy in its unit
    #[arg(long, help_heading = "Search", value_name = "N", value_parser = positive)]
    pub(crate) budget: Option<f64>,
    /// Beam width M: candidates sampled per kept step; must divide N [default: 4, or the largest below that divides N]
    #[arg(long, help_heading = "Search", value_name = "M")]
    pub(crate) width: Option<usize>,
    /// How the answer is chosen: majority, or SCORE-VOTE, as last-vote, last-mob:m=4 or short-top [default: last-vote; majority
    /// without a verifier]
    #[arg(long, help_heading = "Search")]
    pub(crate) selection: Option<Selection>,
    /// Maximum tokens per solution [default: the profile's]
    #[arg(long, help_heading = "Search", value_name = "K")]
    pub(crate) max_tokens: Option<usize>,
    /// Sampling temperature; 0 is greedy [default: the profile's]
    #[arg(long, help_heading = "Search", value_name = "T", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// Sample from the likeliest tokens that together reach this probability [default: the profile's]
    #[arg(long, help_heading = "Search", value_name = "P", value_parser = share)]
    pub(crate) top_p: Option<f64>,
    /// How beam search treats finished beams: official (they keep their place), refill (they are set aside, the beam stays as
    /// wide), compete (they stay in the ranking)
    #[arg(long, help_heading = "Search", default_value = "compete")]
    pub(crate) finished: Finished,
    /// Random seed
    #[arg(long, help_heading = "Search", default_value_t = 0)]
    pub(crate) seed: u64,
    /// What the question is about: how answers are found and compared
    #[arg(long, help_heading = "Search", default_value = "maths")]
    pub(crate) domain: AnyDomain,
    #[command(flatten)]
    pub(crate) quorum: QuorumChoice,
    /// The right answer, to be told whether it was found
    #[arg(long, value_name = "ANSWER")]
    pub(crate) gold: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) policy: PolicyChoice,
    /// What the user says
    #[arg(long, required_unless_present = "messages", value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// The whole conversation, as JSON
    #[arg(long, conflicts_with = "prompt", value_name = "FILE")]
    pub(crate) messages: Option<PathBuf>,
    /// Sampling temperature; 0 is greedy [default: the profile's]
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// Maximum tokens per continuation
    #[arg(long, default_value_t = 512, value_name = "K")]
    pub(crate) max_tokens: usize,
    /// How many continuations
    #[arg(long, default_value_t = 1)]
    pub(crate) n: usize,
    /// Random seed
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Tell the log-probability of every token
    #[arg(long, requires = "json")]
    pub(crate) logprobs: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) policy: PolicyChoice,
    #[command(flatten)]
    pub(crate) verifier: VerifierChoice,
    /// Strategy for auto@POLICY: a file from `outthink tune`, whose models are served, or `paper` or `search-and-learn`
    #[arg(long, value_name = "FILE|NAME", conflicts_with_all = ["verifier_reference", "verifier_windows"])]
    pub(crate) strategy: Option<String>,
    /// What questions are about: how answers are found and compared
    #[arg(long, default_value = "maths")]
    pub(crate) domain: AnyDomain,
    /// Address to listen on; any but a loopback one needs --keys
    #[arg(long, value_parser = address, default_value = "127.0.0.1:8321", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// File of API keys, as `outthink keys add` makes it [default: everyone on this machine may ask]
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Maximum number of searches at once
    #[arg(long, default_value = "8", value_name = "COUNT", value_parser = count)]
    pub(crate) searches: NonZeroUsize,
    /// Maximum number of queued searches; further requests get HTTP 429
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    pub(crate) waiting: usize,
    #[command(flatten)]
    pub(crate) quorum: QuorumChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key, print it, and keep its hash in a file
    #[command(
        after_help = "The key is printed once; the file holds its SHA-256, and how much it may ask for (edit it).

Example: outthink keys add alice --file keys.toml"
    )]
    Add {
        /// Who it is for; shown in logs
        name: String,
        /// File to add it to; made if it is not there
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Score {
    #[command(flatten)]
    pub(crate) verifier: VerifierChoice,
    /// Solutions, one JSON object per line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) policy: PolicyChoice,
    #[command(flatten)]
    pub(crate) verifier: VerifierChoice,
}

#[derive(Debug, Args)]
pub(crate) struct PrmServe {
    #[command(flatten)]
    pub(crate) verifier: VerifierChoice,
    /// What questions are about: how answers are found and compared
    #[arg(long, default_value = "maths")]
    pub(crate) domain: AnyDomain,
    /// Address to listen on; any but a loopback one needs --keys
    #[arg(long, value_parser = address, default_value = "127.0.0.1:8300", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// File of API keys, as `outthink keys add` makes it [default: everyone on this machine may ask]
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// The model's name for clients [default: what --verifier says]
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Grade {
    /// The right answer, as inside of \boxed{}
    #[arg(
        long,
        requires = "prediction",
        required_unless_present = "jsonl",
        value_name = "ANSWER",
        allow_hyphen_values = true
    )]
    pub(crate) gold: Option<String>,
    /// The answer to judge
    #[arg(
        long,
        requires = "gold",
        value_name = "ANSWER",
        allow_hyphen_values = true
    )]
    pub(crate) prediction: Option<String>,
    /// The prediction is a whole response: extract its answer first
    #[arg(long, requires = "prediction")]
    pub(crate) text: bool,
    /// Grade a file of pairs, one JSON object per line; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gold", "prediction"])]
    pub(crate) jsonl: Option<PathBuf>,
    /// Whose rules: outthink, or to compare with published numbers qwen2.5-math, prm800k, gsm8k-strict or gsm8k-flexible
    #[arg(long, default_value_t = Mode::Outthink, value_name = "RULES")]
    pub(crate) rules: Mode,
    /// Print one JSON object for a pair
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Micro {
    /// Print problems with worked solutions, a JSON object per line
    #[command(
        after_help = "Example: outthink micro generate --seed 7 --count 100 --kind linear --level 3"
    )]
    Generate {
        /// The same seed gives the same problems
        #[arg(long)]
        seed: u64,
        /// How many
        #[arg(long)]
        count: usize,
        /// arithmetic, linear, recurrence or grid [default: the first three, at random]
        #[arg(long)]
        kind: Option<Kind>,
        /// 1 to 5 [default: in turn]
        #[arg(long)]
        level: Option<Level>,
        /// train, tune or test; the three share no problem text; grids are told apart up to the names of digits and the order of lines
        #[arg(long, default_value = "test")]
        split: Split,
    },
    /// Label the steps of given solutions: is each still on the derivation?
    #[command(
        after_help = r#"Each line of FILE holds {"problem": "…", "steps": ["…"]}; each line out {"id", "labels", "correct", "first_error"}; of a grid
also "reasons", what is right or wrong with each row in words, and "clashes", the rules that each of its digits breaks.

Example: outthink micro generate --seed 1 --count 3 | outthink micro check -"#
    )]
    Check {
        /// JSONL, or `-` for standard input
        file: PathBuf,
    },
}

/// Where to listen.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.replace("localhost", "127.0.0.1");
    numeric
        .parse()
        .map_err(|_| "an address is IP:PORT, such as 127.0.0.1:8321".into())
}

/// A number more than 0.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("it must be greater than 0".into()),
    }
}

/// How many, at least one.
fn count(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse();
    count.map_err(|_| "it is a whole number of at least 1".into())
}

/// A temperature.
fn temperature(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("a temperature is a number from 0 to 100".into()),
    }
}

/// A probability that is not 0.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 1.0 => Ok(number),
        _ => Err("it is a number above 0 and at most 1".into()),
    }
}
