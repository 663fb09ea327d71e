//! `Fill the grid:`: sudoku of six by six, boxes of two rows by three columns, one row per step from the top down.
//!
//! Hard to fill in this order, since a row may fit all that is seen and still be wrong; easy to check, since a wrong row
//! ends in a clash further down.

mod canonical;
mod check;
mod solver;

use std::fmt;

use rand::Rng;
use rand::seq::SliceRandom;

use super::{Level, NotInDomain, Solution};

pub use check::{Clash, StepVerdict, Verdict};

pub(super) use canonical::canonical;
pub(super) use check::verdicts;

/// Rows, columns and digits of a grid.
const SIZE: usize = Grid::SIZE;
/// Rows of a box.
const BOX_ROWS: usize = 2;
/// Columns of a box.
const BOX_COLUMNS: usize = 3;

/// What a problem text begins with; its six lines follow.
pub(super) const OPENING: &str = "Fill the grid:\n";

/// Fewest and most blanks of a level's generated grids.
const BLANKS: [(usize, usize); 5] = [(6, 10), (11, 14), (15, 18), (19, 22), (23, 25)];

/// Six rows of six cells: digits from 1, and 0 where it is blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid([[u8; SIZE]; SIZE]);

impl Grid {
    /// Rows, columns and digits.
    pub const SIZE: usize = 6;

    /// Reads a problem text.
    pub fn parse(text: &str) -> Result<Self, NotInDomain> {
        let rows = text.strip_prefix(OPENING).ok_or_else(|| {
            NotInDomain::new("not of the form `Fill the grid:` and six lines".into())
        })?;
        let mut grid = Self([[0; SIZE]; SIZE]);
        let mut lines = rows.split('\n');
        for cells in &mut grid.0 {
            let line = lines.next().unwrap_or_default();
            *cells = read_row(line, true).ok_or_else(|| {
                NotInDomain::new(format!(
                    "`{line}` is not a row of six digits from 1 to 6 or `.`"
                ))
            })?;
        }
        match lines.next() {
            None => Ok(grid),
            Some(line) => Err(NotInDomain::new(format!("`{line}` after the sixth row"))),
        }
    }

    fn blanks(&self) -> usize {
        self.0.iter().flatten().filter(|&&cell| cell == 0).count()
    }

    /// The rows as they are written.
    fn rows(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|row| {
            row.iter()
                .map(|&cell| match cell {
                    0 => '.',
                    digit => char::from(b'0' + digit),
                })
                .collect()
        })
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rows().collect::<Vec<_>>().join("\n"))
    }
}

/// Six digits from 1 to 6, with `blanks` also `.`.
fn read_row(line: &str, blanks: bool) -> Option<[u8; SIZE]> {
    let mut cells = [0; SIZE];
    if line.len() != SIZE {
        return None;
    }
    for (cell, byte) in cells.iter_mut().zip(line.bytes()) {
        *cell = match byte {
            b'.' if blanks => 0,
            b'1'..=b'6' => byte - b'0',
            _ => return None,
        };
    }
    Some(cells)
}

/// Problem text of a grid with one solution and as many blanks as the level says.
pub(super) fn generate(rng: &mut impl Rng, level: Level) -> String {
    let (fewest, most) = BLANKS[level.index()];
    loop {
        let wanted = rng.random_range(fewest..=most);
        let mut grid = solver::random(rng);
        let mut cells: Vec<(usize, usize)> =
            (0..SIZE * SIZE).map(|at| (at / SIZE, at % SIZE)).collect();
        cells.shuffle(rng);
        let mut blanks = 0;
        for (row, column) in cells {
            if blanks == wanted {
                break;
            }
            let digit = std::mem::take(&mut grid.0[row][column]);
            if solver::unique(&grid).is_some() {
                blanks += 1;
            } else {
                grid.0[row][column] = digit;
            }
        }
        // Some grids need more givens than the level leaves.
        if blanks == wanted {
            return format!("{OPENING}{grid}");
        }
    }
}

/// The worked solution of a problem text: its rows, the whole in one box.
pub(super) fn solve(text: &str) -> Result<Solution, NotInDomain> {
    let grid = Grid::parse(text)?;
    let blanks = grid.blanks();
    if blanks == 0 {
        return Err(NotInDomain::new("nothing to fill".into()));
    }
    let full = solver::unique(&grid)
        .ok_or_else(|| NotInDomain::new("the grid has no solution, or more than one".into()))?;
    let mut steps: Vec<String> = full.rows().collect();
    steps[0].insert_str(0, BOX_OPENS);
    steps[SIZE - 1].push_str(BOX_CLOSES);
    let level = BLANKS.iter().take_while(|(_, most)| *most < blanks).count() + 1;
    Ok(Solution::with_answer(steps, full.to_string(), level))
}

/// What the first step begins with.
const BOX_OPENS: &str = "\\boxed{";
/// What the last step ends with.
const BOX_CLOSES: &str = "}";
