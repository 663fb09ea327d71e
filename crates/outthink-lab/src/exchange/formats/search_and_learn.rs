//! search-and-learn's rows: a problem with all its `completions` and their `scores`.

use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{count, level, rewards, text, texts};
use super::{Format, Found, Place};

pub(super) struct SearchAndLearn;

impl Format for SearchAndLearn {
    fn name(&self) -> &'static str {
        "search-and-learn's completions"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let completions = row.get("completions").and_then(texts);
        row.get("problem").is_some_and(Value::is_string) && completions.is_some()
    }

    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let problem = text(row, &["problem"]).ok_or("it has no problem")?;
        let completions = row.get("completions").and_then(texts);
        let completions = completions.ok_or("`completions` is not there, or no list of texts")?;
        let gold = text(row, &["answer", "gold", "solution"]);
        let gold = gold.ok_or("`answer` is not there, or no text")?;
        found.empty += usize::from(completions.is_empty());
        let list = |name: &str, index: usize| row.get(name)?.get(index);
        // Our own export writes the scores of each verifier by name, and those of the first again as search-and-learn does.
        let named: Vec<&String> = row
            .keys()
            .filter(|key| key.starts_with("scores_"))
            .collect();
        let (policy, method) = by_path(place);
        let about = Line {
            policy: text(row, &["policy"]).unwrap_or(policy),
            method,
            n: completions.len(),
            run: text(row, &["run"]),
            seed: row.get("seed").and_then(Value::as_u64).unwrap_or_default(),
            problem_id: text(row, &["unique_id", "id"]).unwrap_or_default(),
            level: level(row),
            subject: text(row, &["subject", "type"]),
            problem,
            gold,
            ..Line::default()
        };
        for (index, completion) in completions.iter().enumerate() {
            let of = |name: &str| rewards(list(name, index));
            let scored = match named.is_empty() {
                true => vec![(String::new(), of("scores"))],
                false => {
                    let own = named.iter();
                    own.map(|name| (name["scores_".len()..].to_owned(), of(name)))
                        .collect()
                }
            };
            let line = Line {
                index,
                tokens: count(list("completion_tokens", index)),
                finish: list("finish", index)
                    .and_then(Value::as_str)
                    .unwrap_or("answer")
                    .to_owned(),
                ..about.clone()
            };
            found.push(line, completion, scored);
        }
        Ok(())
    }
}

/// Policy and method by where the program writes: `data/ORG/MODEL/best_of_n_completions.jsonl`.
fn by_path(place: &Place<'_>) -> (String, String) {
    let known = place.name().contains("completions").then(|| place.name());
    let method = match known {
        Some(name) if name.starts_with("beam_search") => "beam",
        Some(name) if name.starts_with("dvts") => "dvts",
        _ => "pool",
    };
    // Models have a number in their names; other folders are no policy.
    let policy = known.and_then(|_| place.folder(1));
    let policy = policy.filter(|own| own.contains(|c: char| c.is_ascii_digit()));
    (policy.unwrap_or_default().to_owned(), method.to_owned())
}
