//! Published numbers, shipped as data: what the paper's tables print, and the sizes of well-known models.

use serde::Deserialize;

/// The paper that the numbers are from.
pub(crate) const SOURCE: &str = "arXiv 2502.06703";

/// A table of the paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// Its number there.
    pub number: usize,
    /// What it shows.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The rows, as printed.
    pub rows: Vec<Vec<String>>,
}

/// A well-known model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedModel {
    /// Its name begins so.
    pub name: String,
    /// Parameters.
    pub parameters: f64,
    /// Parameters that one token uses, where they are fewer.
    pub active: Option<f64>,
    /// Tokens that it was trained on.
    pub tokens: f64,
    /// Where that is from.
    pub source: String,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The tables.
    pub table: Vec<PublishedTable>,
    /// The models.
    pub model: Vec<PublishedModel>,
}

impl Published {
    /// Reads what is shipped.
    pub fn load() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("../../data/published.toml"))
    }

    /// A table by its number.
    pub fn table(&self, number: usize) -> Option<&PublishedTable> {
        self.table.iter().find(|table| table.number == number)
    }

    /// The model whose name is the longest beginning of `name`.
    pub fn model(&self, name: &str) -> Option<&PublishedModel> {
        let fits = self
            .model
            .iter()
            .filter(|model| name.starts_with(&model.name));
        fits.max_by_key(|model| model.name.len())
    }
}

/// The paper's cost of pre-training: `6 · parameters · tokens`.
pub fn training_flops(parameters: f64, tokens: f64) -> f64 {
    6.0 * parameters * tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_tables_are_whole() {
        let published = Published::load().expect("the shipped file is read");
        for table in &published.table {
            assert!(table.rows.iter().all(|row| row.len() == table.header.len()));
        }
        let r1 = published
            .model("DeepSeek-R1-Distill-Qwen-7B-GGUF")
            .map(|model| model.tokens);
        assert_eq!(r1, Some(18e12));
    }

    #[test]
    fn pre_training_is_counted_as_the_paper_counts_it() {
        // Table 4, to the three figures that it prints.
        for (parameters, tokens, printed) in [
            (3e9, 9e12, 1.62e23),
            (405e9, 15e12, 3.65e25),
            (7e9, 18e12, 7.56e23),
            (671e9, 14.8e12, 5.96e25),
        ] {
            assert!((training_flops(parameters, tokens) / printed - 1.0).abs() < 2e-3);
        }
    }
}
