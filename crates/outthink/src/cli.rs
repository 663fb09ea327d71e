//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use outthink_answer::Mode;
use outthink_core::{Finished, Method, Selection};
use outthink_micro::domain::{Kind, Level, Split};

/// Make a small language model outthink a big one: spend computation at inference time where it buys the most
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
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
  outthink solve 'Solve $2(4(x+8)+38)=332$ for $x$.' --method dvts --budget 64 --gold 32
  outthink solve --policy ./my-model --verifier none --method majority --budget 16 'Evaluate $7+8$.'")]
    Solve(Solve),
    /// Is an answer right? Compare mathematical answers, one pair or a file of them
    #[command(
        after_help = r#"Each line of FILE holds {"id", "gold", "prediction"} and may hold "gold_kind" and "pred_kind" ("answer": as inside
oxed{}, the default; "text": a response, the answer is extracted first), "expected" (true or false) and "category". Each
line out is {"id", "equal", "rule", "reason"}; with expected verdicts, the last line is {"summary": …}.

Exit status: 0 if all lines were graded, or the pair is equal; 1 if the pair is not, or a line was malformed; 2 for wrong use.

Examples:
  outthink grade --gold 'rac{1}{2}' --prediction '0.5'
  outthink grade --gold '(2,4)' --prediction '2 < x < 4'
  outthink grade --gold 204 --text --prediction 'so the answer is $oxed{204}$.'
  outthink grade --jsonl pairs.jsonl > verdicts.jsonl
  outthink grade --jsonl pairs.jsonl --rules qwen2.5-math"#
    )]
    Grade(Grade),
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
    /// How many problems
    #[arg(long, default_value_t = 200)]
    pub(crate) problems: usize,
    /// Which problems and which draws
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
    /// Which problems to draw from; `tune` is for choosing settings
    #[arg(long, default_value = "test", hide = true)]
    pub(crate) split: Split,
}

#[derive(Debug, Args)]
pub(crate) struct Solve {
    /// The problem
    pub(crate) problem: String,
    /// Policy: a name of the micro family, or a checkpoint folder
    #[arg(long, default_value = "micro-0.3m", value_name = "NAME|DIR")]
    pub(crate) policy: String,
    /// Verifier: a name, a folder, `step-checker` (exact, micro domain only), or `none`
    #[arg(
        long,
        default_value = "micro-prm-likelihood",
        value_name = "NAME|DIR|none"
    )]
    pub(crate) verifier: String,
    /// cot, majority, best-of-n, beam or dvts [default: beam; majority without a verifier]
    #[arg(long)]
    pub(crate) method: Option<Method>,
    /// N: at most this many solutions' worth of draws [default: 16; 1 for cot]
    #[arg(long, value_name = "N")]
    pub(crate) budget: Option<usize>,
    /// M: draws of each kept step
    #[arg(long, default_value_t = 4, value_name = "M")]
    pub(crate) width: usize,
    /// How the answer is chosen: majority, or {min,last,mean,product}-{max,vote} [default: last-vote; majority without a verifier]
    #[arg(long)]
    pub(crate) selection: Option<Selection>,
    /// Beam search: what complete paths do (official, refill, compete)
    #[arg(long, default_value = "compete")]
    pub(crate) finished: Finished,
    /// Which draws
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The right answer, to be told whether it was found
    #[arg(long, value_name = "ANSWER")]
    pub(crate) gold: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Grade a file of pairs, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gold", "prediction"])]
    pub(crate) jsonl: Option<PathBuf>,
    /// Whose rules: outthink, or to compare with published numbers qwen2.5-math or prm800k
    #[arg(long, default_value_t = Mode::Outthink, value_name = "RULES")]
    pub(crate) rules: Mode,
    /// Print one JSON object for a pair
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Micro {
    /// Print problems with worked solutions, a JSON object a line
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
        /// arithmetic, linear or recurrence [default: all]
        #[arg(long)]
        kind: Option<Kind>,
        /// 1 to 5 [default: in turn]
        #[arg(long)]
        level: Option<Level>,
        /// train, tune or test; the three share no problem text
        #[arg(long, default_value = "test")]
        split: Split,
    },
    /// Label the steps of given solutions: is each still on the derivation?
    #[command(
        after_help = r#"Each line of FILE holds {"problem": "…", "steps": ["…"]}; each line out {"id", "labels", "correct", "first_error"}.

Example: outthink micro generate --seed 1 --count 3 | outthink micro check -"#
    )]
    Check {
        /// JSONL, or `-` for standard input
        file: PathBuf,
    },
}
