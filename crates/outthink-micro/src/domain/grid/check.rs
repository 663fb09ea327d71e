//! What is wrong with a written row, cell by cell and as a whole.

use std::fmt;

use serde::Serialize;

use super::solver::box_of;
use super::{BOX_CLOSES, BOX_OPENS, Grid, SIZE, read_row};

/// A rule that a written digit breaks against the givens, the rows above and its own row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clash {
    /// Another digit was given in its cell.
    Given,
    /// It stands in its row already.
    Row,
    /// It stands in its column already.
    Column,
    /// It stands in its box already.
    Box,
}

/// What there is to say about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The row of the solution, after right rows.
    Right,
    /// Not six digits from 1 to 6, or not where the box opens and closes.
    NotARow,
    /// A given digit was written over: the column and the digit, both from 1.
    ChangesGiven(usize, u8),
    /// A digit twice in the written row.
    OwnRow(u8),
    /// A digit that stands in this column or box already, or is given further right in this row.
    Meets {
        /// `column 3`, `its box`, or `its own row`.
        place: String,
        /// The digit.
        digit: u8,
        /// The row that has it, from 1; `None` for a given.
        row: Option<usize>,
    },
    /// No rule is broken yet.
    FitsButWrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("the solution"),
            Self::NotARow => f.write_str("not a row"),
            Self::ChangesGiven(column, digit) => {
                write!(f, "changes the given {digit} of column {column}")
            }
            Self::OwnRow(digit) => write!(f, "clash in its own row: {digit} twice"),
            Self::Meets {
                place,
                digit,
                row: None,
            } => write!(f, "clash in {place} with the given {digit}"),
            Self::Meets {
                place,
                digit,
                row: Some(row),
            } => write!(f, "clash in {place} with the {digit} of row {row}"),
            Self::FitsButWrong => f.write_str("fits what is seen, but is not the solution"),
        }
    }
}

/// A step's verdict, and the rules that each of its digits breaks; none where it is not a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepVerdict {
    /// Of the whole step.
    pub verdict: Verdict,
    /// Of every digit.
    pub clashes: Option<[Vec<Clash>; SIZE]>,
}

/// One verdict per step, given the solution's steps.
pub(crate) fn verdicts<S: AsRef<str>>(
    given: &Grid,
    solution: &[String],
    steps: &[S],
) -> Vec<StepVerdict> {
    let mut seen = *given;
    let mut right = true;
    let verdict = |(index, step): (usize, &S)| {
        let step = step.as_ref();
        right &= solution.get(index).is_some_and(|own| own == step);
        let Some(cells) = written(index, step) else {
            return StepVerdict {
                verdict: Verdict::NotARow,
                clashes: None,
            };
        };
        let before = seen;
        let mut clashes: [Vec<Clash>; SIZE] = Default::default();
        let mut first = None;
        for (column, &digit) in cells.iter().enumerate() {
            let (broken, worst) = digit_clashes(&before, given, index, &cells[..column], digit);
            clashes[column] = broken;
            first = first.or(worst);
        }
        seen.0[index] = cells;
        let verdict = match first {
            _ if right => Verdict::Right,
            Some(clash) => clash,
            None => Verdict::FitsButWrong,
        };
        StepVerdict {
            verdict,
            clashes: Some(clashes),
        }
    };
    steps.iter().enumerate().map(verdict).collect()
}

/// The digits of a step; `None` where it is not the row that belongs there.
fn written(index: usize, step: &str) -> Option<[u8; SIZE]> {
    let mut row = step;
    if index == 0 {
        row = row.strip_prefix(BOX_OPENS)?;
    }
    if index == SIZE - 1 {
        row = row.strip_suffix(BOX_CLOSES)?;
    }
    (index < SIZE).then(|| read_row(row, false))?
}

/// The rules that a digit breaks in row `row` after the digits `left` of it, and the first of them in words.
fn digit_clashes(
    seen: &Grid,
    given: &Grid,
    row: usize,
    left: &[u8],
    digit: u8,
) -> (Vec<Clash>, Option<Verdict>) {
    let column = left.len();
    let mut broken = Vec::new();
    let mut first = None;
    let mut add = |clash, verdict: Verdict| {
        if !broken.contains(&clash) {
            broken.push(clash);
        }
        first.get_or_insert(verdict);
    };
    let own = given.0[row][column];
    if own != 0 && own != digit {
        add(Clash::Given, Verdict::ChangesGiven(column + 1, own));
    }
    if left.contains(&digit) {
        add(Clash::Row, Verdict::OwnRow(digit));
    }
    let meets = |place: &str, row: usize, column: usize| Verdict::Meets {
        place: place.to_owned(),
        digit,
        row: (given.0[row][column] != digit).then_some(row + 1),
    };
    for next in column + 1..SIZE {
        if given.0[row][next] == digit {
            add(Clash::Row, meets("its own row", row, next));
        }
    }
    for other in (0..SIZE).filter(|&other| other != row) {
        if seen.0[other][column] == digit {
            add(
                Clash::Column,
                meets(&format!("column {}", column + 1), other, column),
            );
        }
        for next in (0..SIZE).filter(|&next| next != column) {
            if box_of(other, next) == box_of(row, column) && seen.0[other][next] == digit {
                add(Clash::Box, meets("its box", other, next));
            }
        }
    }
    (broken, first)
}
