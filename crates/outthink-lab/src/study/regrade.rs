//! Verdicts anew, by today's grader from the stored texts: no model is asked.

use outthink_core::Domain;
use outthink_core::guard::attempt;

use crate::store::{Drawn, Sample, Store, StoreError};
use crate::study::Study;
use crate::study::unit_runner::{GRADER, grade};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regraded {
    /// Units whose verdicts were another grader's.
    pub units: usize,
    /// Solutions among them.
    pub solutions: usize,
    /// Solutions that are right now and were not.
    pub right: usize,
    /// Solutions that were right and are not.
    pub wrong: usize,
    /// Units that could not be graded, and the last reason; they stay as they were.
    pub failed: Option<(usize, String)>,
}

/// Grades what another grader than today's has judged of a study, a unit at a time; stopped, it goes on another time.
pub fn regrade(
    study: &Study,
    store: &mut Store,
    answers: &dyn Domain,
) -> Result<Regraded, StoreError> {
    let mut regraded = Regraded::default();
    let choices = store.choices(study)?;
    for unit in store.units(study)? {
        let Some(took) = unit.took else { continue };
        if took.grader == GRADER {
            continue;
        }
        let gold = &study.problems[unit.number].gold;
        let (numbers, mut drawn): (Vec<usize>, Vec<Drawn>) = store
            .samples(unit.id)?
            .into_iter()
            .map(|Sample { number, drawn }| (number, drawn))
            .unzip();
        let before: Vec<bool> = drawn.iter().map(|own| own.correct).collect();
        let chosen = choices.get(&unit.id);
        let judged = attempt(|| {
            grade(&mut drawn, gold, answers);
            let answer = chosen.map(|choice| choice.answer.as_deref());
            answer.map(|own| own.is_some_and(|own| answers.equal(gold, own)))
        });
        let chosen = match judged {
            Ok(chosen) => chosen,
            Err(panicked) => {
                let failed = regraded.failed.get_or_insert_default();
                *failed = (failed.0 + 1, panicked.to_string());
                continue;
            }
        };
        regraded.units += 1;
        regraded.solutions += drawn.len();
        for (own, before) in drawn.iter().zip(before) {
            regraded.right += usize::from(own.correct && !before);
            regraded.wrong += usize::from(before && !own.correct);
        }
        store.judge(unit.id, numbers.into_iter().zip(&drawn), chosen, GRADER)?;
    }
    Ok(regraded)
}

/// What is to be said where verdicts are not all of today's grader: by whom they are, with their number of units.
pub fn old_verdicts(study: &Study, store: &mut Store) -> Result<Option<String>, StoreError> {
    let graders = store.graders(&study.name)?;
    if graders.iter().all(|(grader, _)| grader == GRADER) {
        return Ok(None);
    }
    let told = |(grader, units): &(String, usize)| format!("{grader} ({units} units)");
    let told: Vec<String> = graders.iter().map(told).collect();
    Ok(Some(format!(
        "verdicts by {}; this program has {GRADER}, and `outthink regrade {}` judges all with it, from the stored texts",
        told.join(" and by "),
        study.name
    )))
}
