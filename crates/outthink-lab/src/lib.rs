//! From searches to statements: studies whose every sample is stored once, estimates with their uncertainty, tables and
//! figures.
//!
//! The lab sees models only through the traits of `outthink-core`.

mod analysis;
pub mod audit;
mod estimate;
mod exchange;
pub mod probe;
mod report;
pub mod store;
mod study;
pub mod tree_page;
pub mod tuning;

pub use analysis::measured::Measured;
pub use analysis::{Analysis, Choice, Cost, Entry, HEADLINE, Key, Rule};
pub use estimate::binomial::Factorials;
pub use estimate::bootstrap::{BOOTSTRAP, Values, percentiles};
pub use estimate::calibration::CalibrationBin;
pub use estimate::difficulty::{BANDS, Difficulty, FIRST};
pub use estimate::gain::{Efficiency, efficiency_gain, performance_gain};
pub use estimate::interval::{Difference, Interval, Proportion, paired_difference};
pub use estimate::spent::{Spent, Work};
pub use estimate::subset::{best_at, majority_at, pass_at};
pub use estimate::votes::{Chance, GradedSample, ceiling, chances};
pub use exchange::dataset::{
    Columns, Dataset, DatasetError, Golds, read_dataset, read_dataset_from,
};
pub use exchange::export::{export_inspect, export_jsonl, export_lm_eval, export_parquet};
pub use exchange::formats::{Misfits, Samples, read_samples, samples_of};
pub use exchange::import::{ImportOptions, Imported, OtherVerdict, PoolSource, Verdicts, import};
pub use exchange::results::{ResultRow, export_results};
pub use exchange::rows::{Cells, Place, Row, json_lines, read_rows, rows_of};
pub use exchange::{ExchangeError, Line};
pub use outthink_answer::Maths;
pub use outthink_core::number::{chance, short};
pub use outthink_core::{ModelInfo, ModelTable};
pub use outthink_strategy::{JournalError, JournalFile, PolicyModel, VerifierModel};
pub use report::Report;
pub use report::chart::{Chart, Point, Series};
pub use report::pools::{PoolEntry, PoolResult, PoolsRecipe, PublishedFigure, VerdictsEntry};
pub use report::published::{Published, PublishedModel, PublishedTable, training_flops};
pub use store::{Shard, Store, StoreError};
pub use study::cost_estimate::Estimate;
pub use study::recipe::{ModelEntry, PolicyPart, Recipe, RecipeError};
pub use study::regrade::{Regraded, old_verdicts, regrade};
pub use study::run::{Caps, Halt, Models, RunError, Status, run};
pub use study::searches::{SearchFailure, Searches};
pub use study::trial::{Outcome, Question, Trial};
pub use study::{Cell, Config, Problem, StrategyInfo, Study, Unit, unit_id};
