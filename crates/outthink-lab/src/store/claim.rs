//! Leases: which worker does which unit.

use std::sync::Arc;

use super::{Store, StoreError, Value};
use crate::study::Problem;

/// Part `index` of `count` of a study's problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u64,
    /// How many parts there are; at least one.
    pub count: u64,
}

impl Shard {
    /// All problems.
    pub const WHOLE: Self = Self { index: 0, count: 1 };
}

/// The units of a shard that are not at their end, as SQL. A score is at its end with the pool that could not be drawn.
const OPEN: &str = "member JOIN unit ON unit.id = member.unit
    WHERE member.study = $1 AND unit.state = 'open' AND member.problem_number % $2 = $3
    AND NOT EXISTS (SELECT 1 FROM unit AS pool WHERE pool.id = unit.source AND pool.state = 'failed')";

/// What [`OPEN`] is asked with.
fn asked(study: &str, shard: Shard) -> [Value; 3] {
    let (count, index) = (shard.count.max(1), shard.index);
    [study.into(), (count as i64).into(), (index as i64).into()]
}

/// A unit that is this worker's to do.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which.
    pub unit: i64,
    /// The cell that it belongs to, by hash.
    pub cell: String,
    /// The question.
    pub problem: Arc<Problem>,
    /// The run's seed.
    pub seed: u64,
    /// The pool that it scores, if it scores one.
    pub source: Option<i64>,
}

impl Store {
    /// Takes a worker's name that no living worker has. What a dead worker of that name had leased is free at once.
    pub fn enlist(&mut self) -> Result<(), StoreError> {
        let slot = self.database.slot()?;
        self.worker = format!("worker-{slot}");
        let worker = self.worker.as_str().into();
        self.database.execute(
            "UPDATE unit SET worker = NULL, expires = NULL WHERE worker = $1 AND state = 'open'",
            &[worker],
        )?;
        Ok(())
    }

    /// Makes what has failed be tried again.
    pub fn retry(&mut self, study: &str) -> Result<u64, StoreError> {
        self.front = None;
        self.database.execute(
            "UPDATE unit SET state = 'open', worker = NULL, expires = NULL, error = NULL
             WHERE state = 'failed' AND id IN (SELECT unit FROM member WHERE study = $1)",
            &[study.into()],
        )
    }

    /// Leases up to `limit` units of a study, in its order. A pool is scored when it is complete.
    pub fn claim(
        &mut self,
        study: &str,
        shard: Shard,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let front = self.advance(study, shard)?;
        let claims = self.transaction(|store| store.lease_units(study, shard, front, limit))?;
        if !claims.is_empty() || front == 0 {
            return Ok(claims);
        }
        // Another worker may have begun anew what had failed.
        self.front = None;
        self.transaction(|store| store.lease_units(study, shard, 0, limit))
    }

    /// The position of the first unit that may be open, so that those that are done are passed over once, not at every claim.
    fn advance(&mut self, study: &str, shard: Shard) -> Result<i64, StoreError> {
        let known = self.front.take();
        let known = known.filter(|(name, own, _)| name == study && *own == shard);
        let mut front = known.map_or(0, |(.., front)| front);
        let asked = asked(study, shard).into_iter().chain([front.into()]);
        let select = format!(
            "SELECT member.position FROM {OPEN} AND member.position >= $4 ORDER BY member.position LIMIT 1"
        );
        let asked: Vec<Value> = asked.collect();
        self.database.query(&select, &asked, &mut |row| {
            front = row.int(0)?;
            Ok(())
        })?;
        self.front = Some((study.to_owned(), shard, front));
        Ok(front)
    }

    fn lease_units(
        &mut self,
        study: &str,
        shard: Shard,
        front: i64,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let (now, skip) = (self.database.now(), self.database.skip_locked());
        let mut found: Vec<(Claim, i64)> = Vec::new();
        let longest = Self::LONGEST_LEASE;
        let select = format!(
            "SELECT unit.id, unit.cell, unit.problem, unit.seed, unit.source
             FROM member JOIN unit ON unit.id = member.unit
             WHERE member.study = $1 AND unit.state = 'open' AND member.problem_number % $2 = $3 AND member.position >= $4
             AND (unit.expires IS NULL OR unit.expires < {now} OR unit.expires > {now} + {longest:?})
             AND (unit.source IS NULL OR EXISTS (SELECT 1 FROM unit AS pool WHERE pool.id = unit.source AND pool.state = 'done'))
             ORDER BY member.position LIMIT $5 {skip}"
        );
        let rest = [front.into(), (limit as i64).into()];
        let asked: Vec<Value> = asked(study, shard).into_iter().chain(rest).collect();
        let nothing = Arc::new(Problem::default());
        self.database.query(&select, &asked, &mut |row| {
            let claim = Claim {
                unit: row.int(0)?,
                cell: row.text(1)?,
                problem: Arc::clone(&nothing),
                seed: row.int(3)? as u64,
                source: row.maybe_int(4)?,
            };
            found.push((claim, row.int(2)?));
            Ok(())
        })?;
        let update = format!("UPDATE unit SET worker = $1, expires = {now} + $2 WHERE id = $3");
        let mut claims = Vec::with_capacity(found.len());
        for (mut claim, problem) in found {
            let values: [Value; 3] = [
                self.worker.as_str().into(),
                self.lease.into(),
                claim.unit.into(),
            ];
            self.database.execute(&update, &values)?;
            claim.problem = Arc::new(self.problem(problem)?);
            claims.push(claim);
        }
        Ok(claims)
    }

    /// How many units of a shard are not at their end: open, or a score that waits for a pool that may yet be drawn.
    pub fn left(&mut self, study: &str, shard: Shard) -> Result<u64, StoreError> {
        let mut left = 0;
        self.database.query(
            &format!("SELECT count(*) FROM {OPEN}"),
            &asked(study, shard),
            &mut |row| {
                left = row.int(0)? as u64;
                Ok(())
            },
        )?;
        Ok(left)
    }

    /// Keeps this worker's leases.
    pub fn renew(&mut self) -> Result<(), StoreError> {
        let now = self.database.now();
        let update =
            format!("UPDATE unit SET expires = {now} + $1 WHERE worker = $2 AND state = 'open'");
        let values: [Value; 2] = [self.lease.into(), self.worker.as_str().into()];
        self.database.execute(&update, &values)?;
        Ok(())
    }

    /// Gives back what this worker has leased and not done.
    pub fn release(&mut self) -> Result<(), StoreError> {
        let worker = self.worker.as_str().into();
        self.database.execute(
            "UPDATE unit SET worker = NULL, expires = NULL WHERE worker = $1 AND state = 'open'",
            &[worker],
        )?;
        Ok(())
    }

    /// How long a lease lasts, in seconds.
    pub fn lease(&self) -> f64 {
        self.lease
    }
}
