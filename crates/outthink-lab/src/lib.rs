//! From searches to statements: studies whose every sample is stored once, estimates with their uncertainty, tables and
//! figures.
//!
//! The lab sees models only through the traits of `outthink-core`.

mod answers;
mod binomial;
mod chart;
mod dataset;
mod estimate;
mod keeper;
mod parquet_file;
mod plan;
mod recipe;
mod recorded;
mod reuse;
mod run;
mod spent;
pub mod store;
mod study;
mod trial;
mod work;

pub use answers::MathAnswers;
pub use chart::{Chart, Point, Series};
pub use dataset::{Columns, DatasetError, read_dataset};
pub use estimate::{Interval, Proportion, paired_difference};
pub use plan::Estimate;
pub use recipe::{ModelEntry, ModelTable, PolicyPart, Recipe, RecipeError};
pub use reuse::TokenTrie;
pub use run::{Caps, Halt, Models, PolicyModel, Render, RunError, Status, VerifierModel, run};
pub use spent::{Expected, SharedTokens, Spent, Work};
pub use store::{Shard, Store, StoreError};
pub use study::{Cell, Config, ModelInfo, Problem, Study, Unit, unit_id};
pub use trial::{Outcome, Question, Trial};
