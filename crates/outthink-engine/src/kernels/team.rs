//! Threads that stay awake for a pass. A layer is divided among the cores for some microseconds at a time, more than a hundred
//! times a pass: waking a sleeping thread takes as long as the work that it is woken for.

use std::cell::Cell;
use std::hint::spin_loop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Looks before a waiting thread lets others have its core.
const LOOKS: u32 = 4096;

/// What is to be done, by whoever comes: the parts of one task.
struct Task<'t> {
    run: &'t (dyn Fn(usize) + Sync),
    parts: usize,
    /// The next part that nobody has taken.
    next: AtomicUsize,
}

impl Task<'_> {
    fn work(&self) {
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= self.parts {
                return;
            }
            (self.run)(part);
        }
    }
}

/// The threads of one pass.
#[derive(Default)]
struct Team {
    /// The task in hand, as long as its owner waits for it; null between tasks.
    task: AtomicPtr<Task<'static>>,
    /// Threads that may be looking at the task.
    looking: AtomicUsize,
    over: AtomicBool,
    /// Has a part that another thread took panicked?
    failed: AtomicBool,
}

thread_local! {
    /// The team that this thread leads.
    static TEAM: Cell<Option<&'static Team>> = const { Cell::new(None) };
}

impl Team {
    /// Helps with every task until the pass is over.
    fn help(&self) {
        let mut looks = 0;
        while !self.over.load(Ordering::Acquire) {
            if self.task.load(Ordering::Relaxed).is_null() {
                looks += 1;
                match looks % LOOKS {
                    0 => std::thread::yield_now(),
                    _ => spin_loop(),
                }
                continue;
            }
            looks = 0;
            let _looking = Looking::at(self);
            // Whoever takes the task away after this waits until nobody is looking.
            let task = self.task.load(Ordering::SeqCst);
            if !task.is_null() {
                // SAFETY: its owner keeps it until nobody is looking.
                unsafe { &*task }.work();
            }
        }
    }

    fn run(&self, task: &Task<'_>) {
        let task = std::ptr::from_ref(task).cast_mut().cast::<Task<'static>>();
        self.task.store(task, Ordering::SeqCst);
        // Even if a part panics, nobody is left with a task that is gone.
        let taken_away = TakenAway(self);
        // SAFETY: it is alive; the reference ends before it does.
        unsafe { &*task }.work();
        drop(taken_away);
        // What another thread did not finish must not pass for done; its own panic is the one that is told.
        assert!(
            !self.failed.load(Ordering::SeqCst),
            "a part of a pass panicked"
        );
    }
}

/// A thread counts as looking until this is dropped.
struct Looking<'t>(&'t Team);

impl<'t> Looking<'t> {
    fn at(team: &'t Team) -> Self {
        team.looking.fetch_add(1, Ordering::SeqCst);
        Self(team)
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::SeqCst);
        }
        self.0.looking.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Takes the task away, and waits until nobody looks at it.
struct TakenAway<'t>(&'t Team);

impl Drop for TakenAway<'_> {
    fn drop(&mut self) {
        self.0.task.store(std::ptr::null_mut(), Ordering::SeqCst);
        let mut looks = 0u32;
        while self.0.looking.load(Ordering::SeqCst) > 0 {
            looks += 1;
            match looks % LOOKS {
                0 => std::thread::yield_now(),
                _ => spin_loop(),
            }
        }
    }
}

/// Ends the pass.
struct Over<'t>(&'t Team);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        TEAM.set(None);
        self.0.over.store(true, Ordering::Release);
    }
}

/// Does something while the threads of the pool stand ready for [`divided`].
pub(crate) fn together<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let team = Team::default();
    rayon::scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|_| team.help());
        }
        // SAFETY: the team outlives the scope, and `Over` forgets it before the scope ends.
        let lent: &'static Team = unsafe { &*std::ptr::from_ref(&team) };
        TEAM.set(Some(lent));
        let _over = Over(&team);
        work()
    })
}

/// Does something for each of some parts, on the cores that stand ready, if any.
pub(super) fn divided(parts: usize, run: &(dyn Fn(usize) + Sync)) {
    match TEAM.get() {
        Some(team) if parts > 1 => team.run(&Task {
            run,
            parts,
            next: AtomicUsize::new(0),
        }),
        _ => (0..parts).for_each(run),
    }
}

/// What comes of each of some things, in order, on the cores that stand ready.
pub(crate) fn map<A: Sync, B: Send + Sync>(all: &[A], each: impl Fn(&A) -> B + Sync) -> Vec<B> {
    let made: Vec<OnceLock<B>> = all.iter().map(|_| OnceLock::new()).collect();
    divided(all.len(), &|part| {
        made[part].get_or_init(|| each(&all[part]));
    });
    made.into_iter().filter_map(OnceLock::into_inner).collect()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_part_is_done_once_and_before_the_next_task_begins() {
        let sum = together(|| {
            let mut all = 0;
            for task in 0..2000u64 {
                let sum = AtomicU64::new(0);
                divided(7, &|part| {
                    sum.fetch_add(task + part as u64, Ordering::Relaxed);
                });
                assert_eq!(sum.into_inner(), 7 * task + 21);
                all += 1;
            }
            all
        });
        assert_eq!(sum, 2000);
        divided(3, &|part| assert!(part < 3, "without a team it works, too"));
    }

    #[test]
    fn a_panic_ends_the_pass_and_not_the_program() {
        // The first part waits, so that with several threads another one takes the part that panics.
        let run = || {
            together(|| {
                divided(64, &|part| match part {
                    0 => std::thread::sleep(std::time::Duration::from_millis(1)),
                    _ => assert_ne!(part, 5, "part five"),
                });
                unreachable!("what is not computed is not gone on with");
            })
        };
        for _ in 0..50 {
            let told = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            let told = told.downcast_ref::<String>().map_or("", String::as_str);
            assert!(told.contains("part five"), "{told}");
        }
        assert_eq!(together(|| 1), 1);
    }
}
