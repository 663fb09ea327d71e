//! The list of pools that a report is made of.

use std::collections::BTreeSet;

use outthink_core::Selection;
use serde::{Deserialize, Serialize};

/// A list of pools, as its file has it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PoolsRecipe {
    /// What they are called together.
    pub name: String,
    /// What the page begins with.
    #[serde(default)]
    pub lead: Vec<String>,
    /// The pools, in the order of the page.
    #[serde(rename = "pool")]
    pub pools: Vec<PoolEntry>,
}

impl PoolsRecipe {
    /// Reads TOML.
    ///
    /// # Errors
    ///
    /// It is none, lacks something, names two pools alike or a rule that there is not: where and what.
    pub fn parse(text: &str) -> Result<Self, String> {
        let recipe: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut names = BTreeSet::new();
        for pool in &recipe.pools {
            if !names.insert(pool.name.as_str()) {
                return Err(format!("two pools are called {:?}", pool.name));
            }
            // Each has a folder of its name.
            let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
            if !pool.name.chars().all(plain) || pool.name.trim_matches('.').is_empty() {
                return Err(format!(
                    "{:?} cannot be a pool's name: use letters, digits, '-', '_' and '.'",
                    pool.name
                ));
            }
            for own in &pool.published {
                let place = format!("pool {:?}, published {:?}", pool.name, own.what);
                if let Some(rule) = &own.rule
                    && !["pass", "single", "majority"].contains(&rule.as_str())
                {
                    let known = rule.parse::<Selection>();
                    known.map_err(|error| {
                        format!("{place}: rule {rule:?}: {error}; or pass, single, majority")
                    })?;
                }
                if own.n == 0 {
                    return Err(format!("{place}: n is at least 1"));
                }
            }
        }
        Ok(recipe)
    }
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolEntry {
    /// What its study is called.
    pub name: String,
    /// What its section is called.
    pub title: String,
    /// The file of samples, below the folder of the data.
    pub file: String,
    /// What the problems are.
    pub dataset: String,
    /// Where it comes from.
    pub source: String,
    /// Under which terms.
    pub licence: String,
    /// The verifier, where the file does not name it.
    #[serde(default)]
    pub verifier: Option<String>,
    /// Do the file's own verdicts count, because nothing here grades its answers?
    #[serde(default)]
    pub verdicts: VerdictsEntry,
    /// Policies made of several, by name.
    #[serde(default)]
    pub ensembles: std::collections::BTreeMap<String, Vec<String>>,
    /// What is to be known of it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Is choosing tried on problems that nobody has seen?
    #[serde(default)]
    pub held_out: bool,
    /// What others say of it.
    #[serde(default)]
    pub published: Vec<PublishedFigure>,
}

/// Whose verdicts count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictsEntry {
    /// Ours.
    #[default]
    Ours,
    /// The file's.
    File,
}

/// A number that somebody published.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublishedFigure {
    /// What it is, in their words.
    pub what: String,
    /// In per cent.
    pub value: f64,
    /// Who says so.
    pub by: String,
    /// Ours beside it: `pass`, `single`, `majority` or a rule such as `last-vote`; none where there is no such number here.
    #[serde(default)]
    pub rule: Option<String>,
    /// At this N.
    #[serde(default = "one")]
    pub n: usize,
    /// Whose, if the pool has several policies.
    #[serde(default)]
    pub policy: Option<String>,
    /// Why the two differ.
    #[serde(default)]
    pub because: String,
}

fn one() -> usize {
    1
}
