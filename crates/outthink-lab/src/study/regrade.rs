//! Verdicts anew, by today's grader from the stored texts: no model is asked.

use futures::executor::block_on;
use outthink_core::guard::attempt;
use outthink_core::{Domain, Error, verdicts};

use crate::exchange::import::BY_FILE;
use crate::store::{Drawn, Sample, Store, StoreError};
use crate::study::Study;
use crate::study::unit_runner::grade;

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
    let grader = answers.identity();
    let choices = store.choices(study)?;
    for unit in store.units(study)? {
        let Some(took) = unit.took else { continue };
        // Nothing here grades better where somebody chose the verdicts of a file.
        if took.grader == grader || took.grader == BY_FILE {
            continue;
        }
        let problem = &study.problems[unit.number];
        let (question, gold) = (problem.question(), &problem.gold);
        let (numbers, mut drawn): (Vec<usize>, Vec<Drawn>) = store
            .samples(unit.id)?
            .into_iter()
            .map(|Sample { number, drawn }| (number, drawn))
            .unzip();
        let before: Vec<bool> = drawn.iter().map(|own| own.correct).collect();
        let chosen = choices.get(&unit.id);
        let judged = attempt(|| {
            block_on(async {
                grade(&mut drawn, &question, gold, answers).await?;
                let Some(choice) = chosen else {
                    return Ok(None);
                };
                let answer: Vec<&str> = choice.answer.as_deref().into_iter().collect();
                let right = verdicts(answers, &question, gold, &answer).await?;
                Ok::<_, Error>(Some(right == [true]))
            })
        });
        let failure = match judged {
            Ok(Ok(chosen)) => Ok(chosen),
            Ok(Err(error)) => Err(error.to_string()),
            Err(panicked) => Err(panicked.to_string()),
        };
        let chosen = match failure {
            Ok(chosen) => chosen,
            Err(why) => {
                let failed = regraded.failed.get_or_insert_default();
                *failed = (failed.0 + 1, why);
                continue;
            }
        };
        regraded.units += 1;
        regraded.solutions += drawn.len();
        for (own, before) in drawn.iter().zip(before) {
            regraded.right += usize::from(own.correct && !before);
            regraded.wrong += usize::from(before && !own.correct);
        }
        store.judge(unit.id, numbers.into_iter().zip(&drawn), chosen, &grader)?;
    }
    Ok(regraded)
}

/// What is to be said where verdicts are not all of today's grader: by whom they are, with their number of units.
pub fn old_verdicts(study: &Study, store: &mut Store) -> Result<Option<String>, StoreError> {
    let graders = store.graders(&study.name)?;
    let domain = study.recipe.domain().map_err(StoreError::Malformed)?;
    let today = domain.get().identity();
    let by_file = |(grader, _): &(String, usize)| grader == BY_FILE;
    if graders.iter().all(|own| own.0 == today || by_file(own)) {
        let told = graders.iter().any(by_file);
        return Ok(told.then(|| format!("verdicts are {BY_FILE}")));
    }
    let told = |(grader, units): &(String, usize)| format!("{grader} ({units} units)");
    let told: Vec<String> = graders.iter().map(told).collect();
    Ok(Some(format!(
        "verdicts by {}; this program has {today}, and `outthink regrade {}` judges all with it, from the stored texts",
        told.join(" and by "),
        study.name
    )))
}
