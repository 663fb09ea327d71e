//! From searches to statements: studies whose every sample is stored once, estimates with their uncertainty, tables and
//! figures.
//!
//! The lab sees models only through the traits of `outthink-core`.

mod analysis;
pub mod audit;
mod binomial;
mod bootstrap;
mod chart;
mod columns;
mod dataset;
mod difficulty;
mod estimate;
mod exchange;
mod gain;
mod guard;
mod in_sample;
mod journal_file;
mod keeper;
mod many;
mod parquet_file;
mod plan;
mod published;
mod recipe;
mod recorded;
mod regrade;
mod report;
mod results;
mod rows;
mod run;
mod short;
mod spent;
pub mod store;
mod strategic;
pub mod strategy;
mod study;
mod subset;
pub mod tree_page;
mod trial;
mod unit;
mod votes;
mod work;

pub use analysis::{Analysis, BOOTSTRAP, Choice, Cost, Entry, HEADLINE, Key, Rule};
pub use binomial::Factorials;
pub use bootstrap::{Values, percentiles};
pub use chart::{Chart, Point, Series};
pub use dataset::{Columns, Dataset, DatasetError, Golds, read_dataset, read_dataset_from};
pub use difficulty::{BANDS, Difficulty, FIRST};
pub use estimate::{Interval, Proportion, paired_difference};
pub use exchange::{
    ExchangeError, Line, export_jsonl, export_parquet, import, read_lines, read_parquet,
};
pub use gain::{Efficiency, efficiency_gain, performance_gain};
pub use journal_file::{JournalError, JournalFile};
pub use many::{SearchFailure, Searches};
pub use outthink_answer::Maths;
pub use plan::Estimate;
pub use published::{Published, PublishedModel, PublishedTable, training_flops};
pub use recipe::{ModelEntry, ModelTable, PolicyPart, Recipe, RecipeError};
pub use regrade::{Regraded, old_verdicts, regrade};
pub use report::Report;
pub use results::{ResultRow, export_results};
pub use rows::{Cells, Place, Row, json_lines, read_rows, rows_of};
pub use run::{Caps, Halt, Models, PolicyModel, RunError, Status, VerifierModel, run};
pub use short::{chance, short};
pub use spent::{Spent, Work};
pub use store::{Shard, Store, StoreError};
pub use study::{Cell, Config, ModelInfo, Problem, StrategyInfo, Study, Unit, unit_id};
pub use subset::{best_at, majority_at, pass_at};
pub use trial::{Outcome, Question, Trial};
pub use votes::{Chance, GradedSample, ceiling, chances};
