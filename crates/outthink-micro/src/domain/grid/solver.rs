//! Backtracking over the blank with the fewest candidates, on sets of digits as bits.

use rand::Rng;
use rand::seq::SliceRandom;

use super::{BOX_COLUMNS, BOX_ROWS, Grid, SIZE};

/// The digits 1 to 6 as bits.
const DIGITS: u8 = 0b111_1110;

/// The digits that each row, column and box holds.
struct Used {
    rows: [u8; SIZE],
    columns: [u8; SIZE],
    boxes: [u8; SIZE],
}

impl Used {
    /// `None` when the grid breaks a rule.
    fn of(grid: &Grid) -> Option<Self> {
        let mut used = Self {
            rows: [0; SIZE],
            columns: [0; SIZE],
            boxes: [0; SIZE],
        };
        for (row, cells) in grid.0.iter().enumerate() {
            for (column, &digit) in cells.iter().enumerate() {
                if digit != 0 {
                    if used.free(row, column) & 1 << digit == 0 {
                        return None;
                    }
                    used.flip(row, column, 1 << digit);
                }
            }
        }
        Some(used)
    }

    fn free(&self, row: usize, column: usize) -> u8 {
        DIGITS & !(self.rows[row] | self.columns[column] | self.boxes[box_of(row, column)])
    }

    fn flip(&mut self, row: usize, column: usize, bit: u8) {
        self.rows[row] ^= bit;
        self.columns[column] ^= bit;
        self.boxes[box_of(row, column)] ^= bit;
    }
}

pub(super) fn box_of(row: usize, column: usize) -> usize {
    row / BOX_ROWS * (SIZE / BOX_COLUMNS) + column / BOX_COLUMNS
}

/// The only solution of a grid; `None` when it has none or several.
pub(super) fn unique(grid: &Grid) -> Option<Grid> {
    let mut search = Search {
        grid: *grid,
        used: Used::of(grid)?,
        blanks: blanks(grid),
        found: Vec::new(),
    };
    search.go();
    match search.found[..] {
        [only] => Some(only),
        _ => None,
    }
}

fn blanks(grid: &Grid) -> Vec<(usize, usize)> {
    let cells = (0..SIZE * SIZE).map(|at| (at / SIZE, at % SIZE));
    cells
        .filter(|&(row, column)| grid.0[row][column] == 0)
        .collect()
}

struct Search {
    grid: Grid,
    used: Used,
    blanks: Vec<(usize, usize)>,
    found: Vec<Grid>,
}

impl Search {
    /// Collects solutions, two at most.
    fn go(&mut self) {
        let candidates = |&(row, column): &(usize, usize)| self.used.free(row, column).count_ones();
        let Some(at) = (0..self.blanks.len()).min_by_key(|&at| candidates(&self.blanks[at])) else {
            self.found.push(self.grid);
            return;
        };
        let (row, column) = self.blanks.swap_remove(at);
        let mut free = self.used.free(row, column);
        while free != 0 && self.found.len() < 2 {
            let bit = free & free.wrapping_neg();
            free ^= bit;
            self.used.flip(row, column, bit);
            self.grid.0[row][column] = u8::try_from(bit.trailing_zeros()).unwrap_or_default();
            self.go();
            self.used.flip(row, column, bit);
        }
        self.grid.0[row][column] = 0;
        self.blanks.push((row, column));
    }
}

/// A full grid, cell by cell in random order of digits.
pub(super) fn random(rng: &mut impl Rng) -> Grid {
    let mut grid = Grid([[0; SIZE]; SIZE]);
    let mut used = Used {
        rows: [0; SIZE],
        columns: [0; SIZE],
        boxes: [0; SIZE],
    };
    fill(&mut grid, &mut used, 0, rng);
    grid
}

fn fill(grid: &mut Grid, used: &mut Used, at: usize, rng: &mut impl Rng) -> bool {
    if at == SIZE * SIZE {
        return true;
    }
    let (row, column) = (at / SIZE, at % SIZE);
    let mut digits: [u8; SIZE] = [1, 2, 3, 4, 5, 6];
    digits.shuffle(rng);
    for digit in digits {
        let bit = 1 << digit;
        if used.free(row, column) & bit != 0 {
            used.flip(row, column, bit);
            grid.0[row][column] = digit;
            if fill(grid, used, at + 1, rng) {
                return true;
            }
            used.flip(row, column, bit);
        }
    }
    grid.0[row][column] = 0;
    false
}
