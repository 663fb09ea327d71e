//! One text for all grids that are the same puzzle: rows change places within a band, bands among themselves, columns
//! within a stack, stacks among themselves, and digits their names.

use super::{BOX_COLUMNS, BOX_ROWS, Grid, SIZE};

/// The smallest of the equivalent grids, read row by row with blanks first and digits named in the order they turn up.
pub(crate) fn canonical(grid: &Grid) -> Grid {
    let columns = orders(BOX_COLUMNS);
    // Few orders of rows and columns make the first row smallest: the other rows are read for those alone.
    let mut smallest = [u8::MAX; SIZE];
    let mut ties = Vec::new();
    for (index, order) in columns.iter().enumerate() {
        for row in 0..SIZE {
            let own = order.map(|column| grid.0[row][column]);
            let first = renamed(own, &mut Names::default());
            if first < smallest {
                smallest = first;
                ties.clear();
            }
            if first == smallest {
                ties.push((index, row));
            }
        }
    }
    let rows = orders(BOX_ROWS);
    let candidates = ties.into_iter().flat_map(|(index, first)| {
        let order = columns[index];
        let rows = rows.iter().filter(move |rows| rows[0] == first);
        rows.map(move |rows| {
            let mut names = Names::default();
            rows.map(|row| renamed(order.map(|column| grid.0[row][column]), &mut names))
        })
    });
    candidates.min().map_or(*grid, Grid)
}

/// New names of the digits, in the order they turn up.
#[derive(Default)]
struct Names {
    given: [u8; SIZE + 1],
    count: u8,
}

fn renamed(row: [u8; SIZE], names: &mut Names) -> [u8; SIZE] {
    row.map(|digit| {
        let name = &mut names.given[usize::from(digit)];
        if digit != 0 && *name == 0 {
            names.count += 1;
            *name = names.count;
        }
        *name
    })
}

/// Every order of six lines that keeps groups of `size` neighbours together.
fn orders(size: usize) -> Vec<[usize; SIZE]> {
    let inner = permutations(size);
    let mut orders = vec![Vec::new()];
    for _ in 0..SIZE / size {
        orders = orders
            .iter()
            .flat_map(|start: &Vec<&Vec<usize>>| {
                inner
                    .iter()
                    .map(|next| start.iter().copied().chain([next]).collect())
            })
            .collect();
    }
    let groups = permutations(SIZE / size);
    let mut all = Vec::new();
    for groups in &groups {
        for inside in &orders {
            let mut order = [0; SIZE];
            let lines = groups
                .iter()
                .zip(inside)
                .flat_map(|(group, inside)| inside.iter().map(move |line| group * size + line));
            for (place, line) in order.iter_mut().zip(lines) {
                *place = line;
            }
            all.push(order);
        }
    }
    all
}

/// Every order of the numbers below `count`.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    permutations(last)
        .into_iter()
        .flat_map(|shorter| {
            (0..count).map(move |at| {
                let mut longer = shorter.clone();
                longer.insert(at, last);
                longer
            })
        })
        .collect()
}
