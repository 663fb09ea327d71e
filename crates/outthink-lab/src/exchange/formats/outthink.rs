//! Our own lines, a sample each.

use super::super::line::Line;
use super::super::rows::Cells;
use super::{Format, Found, Place};

pub(super) struct Outthink;

impl Format for Outthink {
    fn name(&self) -> &'static str {
        "outthink's lines of samples"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let is_list = |name: &str| row.get(name).is_some_and(serde_json::Value::is_array);
        let is_text = |name: &str| row.get(name).is_some_and(serde_json::Value::is_string);
        is_text("problem") && is_list("steps") && is_text("gold")
    }

    fn read(&self, row: &Cells, _: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let mut line: Line = serde_json::from_value(serde_json::Value::Object(row.clone()))
            .map_err(|error| error.to_string())?;
        if line.problem.is_empty() || line.steps.is_empty() {
            return Err("a sample has at least `problem`, `gold` and `steps`".into());
        }
        line.countable()?;
        found.fitting(&mut line);
        found.add(line);
        Ok(())
    }
}
