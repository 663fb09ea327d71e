//! How the outputs of a matrix product are divided among the cores.

use std::sync::Mutex;

use super::team;

/// Outputs that are read at a time when weights are laid out; whole panels of every kind.
pub(super) const READ: usize = 64;

/// Products and sums that are worth waking another core for.
const WORTH: usize = 1 << 17;

/// A matrix `[rows, width]` of which every column has one writer.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    start: *mut f32,
    length: usize,
    width: usize,
    /// Where the columns begin that are written, and how many they are.
    first: usize,
    count: usize,
}

// SAFETY: whoever has a copy writes only columns that are its own, as `write` demands.
unsafe impl Send for Columns {}
// SAFETY: as above.
unsafe impl Sync for Columns {}

impl Columns {
    /// The columns from `first` on of a matrix of rows of `width` numbers, `count` of them.
    pub(super) fn of(out: &mut [f32], width: usize, first: usize, count: usize) -> Self {
        assert!(first + count <= width, "columns beyond the matrix");
        Self {
            start: out.as_mut_ptr(),
            length: out.len(),
            width,
            first,
            count,
        }
    }

    pub(super) fn count(self) -> usize {
        self.count
    }

    /// Writes sixteen neighbouring numbers of a row, or as many as there still are columns.
    ///
    /// # Safety
    ///
    /// No one else reads or writes these columns while the matrix is borrowed by [`Self::of`].
    #[inline(always)]
    pub(super) unsafe fn write(self, row: usize, column: usize, numbers: &[f32; 16]) {
        let count = numbers.len().min(self.count - column);
        let at = row * self.width + self.first + column;
        assert!(at + count <= self.length, "a row beyond the matrix");
        // SAFETY: the place is within the matrix, and nobody else is there.
        unsafe {
            let to = self.start.add(at);
            match count == 16 {
                true => to.cast::<[f32; 16]>().write_unaligned(*numbers),
                false => std::ptr::copy_nonoverlapping(numbers.as_ptr(), to, count),
            }
        }
    }
}

/// Does something for each of some panels, on several cores if it is `work` products and sums in all.
pub(super) fn for_each(panels: usize, work: usize, each: impl Fn(usize) + Sync) {
    if work < WORTH || panels < 2 {
        (0..panels).for_each(each);
        return;
    }
    // A few parts for each core, so that one that was held up does not hold up all.
    let parts = (rayon::current_num_threads() * 4)
        .min(panels)
        .min(work.div_ceil(WORTH / 2));
    let each_part = panels.div_ceil(parts);
    team::divided(panels.div_ceil(each_part), &|part| {
        let first = part * each_part;
        (first..panels.min(first + each_part)).for_each(&each);
    });
}

/// Things that are done something to, each by one thread.
pub(super) struct Chunks<T>(Vec<Mutex<T>>);

impl<T: Send> Chunks<T> {
    pub(super) fn new(all: impl Iterator<Item = T>) -> Self {
        Self(all.map(Mutex::new).collect())
    }

    /// Does something with each and its number.
    pub(super) fn for_each(self, each: impl Fn(usize, &mut T) + Sync) {
        team::divided(self.0.len(), &|number| {
            // Nobody else has this number, so nobody waits here.
            if let Ok(mut own) = self.0[number].lock() {
                each(number, &mut own);
            }
        });
    }
}
