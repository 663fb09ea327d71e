//! Finds, reads and compares mathematical answers.
//!
//! [`extract`] takes the final answer out of a response, [`Answer::parse`] reads it as a typed value, [`equivalent`] says
//! whether a prediction is the gold answer and why, and [`AnswerGroups`] sorts answers into classes for voting. All of it
//! is total: any text is an answer, nothing panics, and the work for one comparison is bounded in operations, so a
//! verdict is the same every time and from any thread.
//!
//! ```
//! use outthink_answer::{Answer, equivalent, extract};
//!
//! let found = extract(r"Both roots are real, so the answer is $\boxed{x = 1 \pm \sqrt{2}}$.").unwrap();
//! let verdict = equivalent(&Answer::parse(r"\{1-\sqrt2, 1+\sqrt2\}"), &Answer::parse(&found.text));
//! assert!(verdict.equal, "{}", verdict.reason);
//! ```

mod compat;
mod constant;
mod convention;
mod domains;
mod equivalent;
mod evaluate;
mod expr;
mod extract;
mod gold;
mod grid;
mod groups;
mod identity;
mod lex;
mod parse;
mod progression;
mod real_set;
mod relation;
mod rounding;
mod token;
mod unit;
mod value;
mod verdict;
mod words;

pub use compat::Mode;
pub use convention::Conventions;
pub use domains::{AnyDomain, Maths};
pub use equivalent::equivalent;
pub use expr::{Expr, Function, Series, Symbol};
pub use extract::{Extracted, Source, extract};
pub use gold::extract_gold;
pub use grid::draw_grid;
pub use groups::AnswerGroups;
pub use unit::Unit;
pub use value::{Answer, Combination, Relation, Value};
pub use verdict::Verdict;
