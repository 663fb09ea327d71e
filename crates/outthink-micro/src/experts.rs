//! Two models as one, each for its own kinds of problem: no single model of the families answers both grounds.

use futures::future::{BoxFuture, FutureExt, try_join};
use outthink_core::{
    Extension, Halt, Judgement, ModelCost, ModelError, Policy, Prefix, Problem, Reply, Step,
    Thoughts, Verifier,
};

use crate::domain::{Kind, Problem as Own};
use crate::family::{Family, Member};

/// One model for arithmetic, one for grids; each problem goes to its own. Any other text goes to the first.
#[derive(Clone, Debug)]
pub struct Experts<M> {
    /// For arithmetic, equations and recurrences.
    pub arithmetic: M,
    /// For grids.
    pub grids: M,
}

impl<M> Experts<M> {
    /// The model that a problem goes to.
    pub fn of(&self, text: &str) -> &M {
        match is_grid(text) {
            true => &self.grids,
            false => &self.arithmetic,
        }
    }

    /// Both, the one for arithmetic first.
    pub fn both(&self) -> [&M; 2] {
        [&self.arithmetic, &self.grids]
    }

    /// The same of each.
    pub fn map<T>(self, of: impl Fn(M) -> T) -> Experts<T> {
        Experts {
            arithmetic: of(self.arithmetic),
            grids: of(self.grids),
        }
    }
}

impl Experts<Member> {
    /// The two models that a name like `micro-90k+grid-90k` means, in either order; none where it means no such pair.
    pub fn find(name: &str) -> Option<Self> {
        let (first, second) = name.split_once('+')?;
        let member = |name: &str| Some((Member::find(name)?, Family::of_member(name)?.kind));
        match (member(first)?, member(second)?) {
            ((arithmetic, None), (grids, Some(Kind::Grid)))
            | ((grids, Some(Kind::Grid)), (arithmetic, None)) => Some(Self { arithmetic, grids }),
            _ => None,
        }
    }

    /// What the pair is called, whichever was named first.
    pub fn name(&self) -> String {
        format!("{}+{}", self.arithmetic.name, self.grids.name)
    }
}

/// The shape of a pair: the parameters of both, of which a token uses those of one. The larger one's, so that what is counted
/// is never less than what was computed.
pub fn cost(pair: [ModelCost; 2]) -> ModelCost {
    let [first, second] = pair;
    let most = |of: fn(&ModelCost) -> u64| of(&first).max(of(&second));
    ModelCost {
        parameters: first.parameters + second.parameters,
        layers: most(|cost| cost.layers),
        attention_width: most(|cost| cost.attention_width),
        active: Some(most(ModelCost::used)),
    }
}

fn is_grid(text: &str) -> bool {
    Own::parse(text).is_ok_and(|own| own.kind == Kind::Grid)
}

/// Requests, apart by expert; what is asked for one is not asked for the other.
fn apart<T>(requests: Vec<T>, problem: impl Fn(&T) -> &Problem) -> (Vec<bool>, Vec<T>, Vec<T>) {
    let grids: Vec<bool> = requests
        .iter()
        .map(|request| is_grid(&problem(request).text))
        .collect();
    let mut sides = (Vec::new(), Vec::new());
    for (request, &grid) in requests.into_iter().zip(&grids) {
        match grid {
            true => sides.1.push(request),
            false => sides.0.push(request),
        }
    }
    (grids, sides.0, sides.1)
}

/// The replies in the order of the requests. A model that replies too little is an error, as everywhere.
fn together<T>(grids: &[bool], replies: (Vec<T>, Vec<T>)) -> Result<Vec<T>, ModelError> {
    let (mut first, mut second) = (replies.0.into_iter(), replies.1.into_iter());
    grids
        .iter()
        .map(|&grid| if grid { second.next() } else { first.next() })
        .collect::<Option<Vec<T>>>()
        .ok_or_else(|| "an expert replied to fewer requests than it was sent".into())
}

impl<P: Policy> Policy for Experts<P> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let (grids, first, second) = apart(requests, |request| &request.problem);
            let replies = try_join(self.arithmetic.extend(first), self.grids.extend(second));
            together(&grids, replies.await?)
        }
        .boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        async move {
            let (grids, first, second) = apart(requests, |request| &request.problem);
            let first = self.arithmetic.extend_until(first, halt);
            let replies = try_join(first, self.grids.extend_until(second, halt));
            together(&grids, replies.await?)
        }
        .boxed()
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        self.of(&problem.text).written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        // Both are asked alike, and put under one control.
        self.arithmetic.thoughts()
    }
}

impl<V: Verifier> Verifier for Experts<V> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let (grids, first, second) = apart(prefixes, |prefix| &prefix.problem);
            let judged = try_join(self.arithmetic.score(first), self.grids.score(second));
            together(&grids, judged.await?)
        }
        .boxed()
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        self.of(&prefix.problem.text).reads(prefix)
    }

    fn at_hand(&self, prefix: &Prefix) -> usize {
        self.of(&prefix.problem.text).at_hand(prefix)
    }
}
