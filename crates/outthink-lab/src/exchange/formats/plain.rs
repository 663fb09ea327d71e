//! Rows of any other make: a problem, a gold answer, and a column with what a model wrote, once or several times.

use serde_json::Value;

use super::super::columns;
use super::super::dataset::Columns;
use super::super::line::Line;
use super::super::rows::{Cells, Place as RowPlace, Row};
use super::cells::{base_name, level, rewards as rewards_of, said, text, texts};
use super::{Format, Found, Place};

pub(super) struct Plain;

/// Columns of what a model wrote, the surest first.
const WRITTEN: [&str; 14] = [
    "responses",
    "generations",
    "completions",
    "outputs",
    "samples",
    "response",
    "generation",
    "completion",
    "generated_text",
    "model_output",
    "model_response",
    "output",
    "prediction",
    "code",
];
/// Columns of rewards beside them.
const REWARDS: [&str; 4] = ["rewards", "step_rewards", "scores", "prm_scores"];

impl Format for Plain {
    fn name(&self) -> &'static str {
        "rows with a problem, an answer and responses"
    }

    fn recognises(&self, row: &Cells) -> bool {
        asks(row).is_some() && written(row).is_some()
    }

    fn read(&self, row: &Cells, _: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let (problem, gold) = asks(row).ok_or("it has no problem and answer")?;
        let (column, responses) = written(row).ok_or("it has no responses")?;
        let model = text(row, &["policy", "model", "generator", "model_name"]);
        let about = Line {
            policy: model.map(|name| base_name(&name)).unwrap_or_default(),
            n: responses.len(),
            problem_id: text(
                row,
                &["problem_id", "unique_id", "id", "uuid", "idx", "task_id"],
            )
            .unwrap_or_default(),
            level: level(row),
            subject: text(row, &["subject", "type", "category"]),
            run: text(row, &["run", "epoch"]),
            problem,
            gold,
            ..Line::default()
        };
        let verdicts = [
            "correct",
            "is_correct",
            "correctness_math_verify",
            "correctness",
            "score",
        ];
        let verdicts = verdicts.iter().find_map(|name| row.get(*name));
        let rewards = REWARDS.iter().find_map(|name| row.get(*name));
        let one = responses.len() == 1 && !row.get(column).is_some_and(Value::is_array);
        for (index, response) in responses.iter().enumerate() {
            let of = |value: Option<&Value>| match one {
                true => value.cloned(),
                false => value.and_then(|all| all.get(index)).cloned(),
            };
            let verdict = of(verdicts).and_then(|own| own.as_bool());
            let rewards = rewards_of(of(rewards).as_ref());
            let line = Line {
                index,
                correct: verdict,
                ..about.clone()
            };
            found.push(line, response, vec![(String::new(), rewards)]);
        }
        Ok(())
    }
}

/// Problem and gold answer, by the names that problem sets give them.
fn asks(row: &Cells) -> Option<(String, String)> {
    let mut bare = row.clone();
    for name in WRITTEN.iter().chain(&REWARDS) {
        bare.remove(*name);
    }
    let rows = [Row {
        place: RowPlace::Row(1),
        cells: bare,
    }];
    let found = columns::find("", &rows, &Columns::default(), true, |_| true).ok()?;
    let cells = &rows[0].cells;
    let parts = found.problem.iter().filter_map(|path| {
        let cell = path.of(cells)?;
        columns::text_of(cell).or_else(|| columns::asked(cell))
    });
    let problem = parts.collect::<Vec<_>>().join("\n");
    let gold = found.answer?.of(cells).and_then(columns::text_of)?;
    (!problem.is_empty()).then_some((problem, gold))
}

/// The column of what a model wrote, with its texts.
fn written(row: &Cells) -> Option<(&'static str, Vec<String>)> {
    WRITTEN.into_iter().find_map(|name| {
        let value = row.get(name)?;
        let own: Vec<String> = match texts(value) {
            Some(all) => all.into_iter().map(str::to_owned).collect(),
            None => vec![said(value)?],
        };
        (!own.is_empty()).then_some((name, own))
    })
}
