//! Thoughts under a control, on a scripted reasoning model whose tokens are single characters.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use outthink_core::method::{BEAM, MAJORITY};
use outthink_core::{
    AnyMethod, Capped, Continuation, CountedPolicy, Extension, Halt, Judgement, Limits, ModelError,
    Plan, Policy, Prefix, Problem, Reply, Sampling, Step, Stop, Thinking, Thoughts, TokenStats,
    Tree, Until, Usage, Verifier, search,
};
use proptest::prelude::*;

const END: &str = "</think>";
const QUESTION: &str = "\n\n**Final Answer**\n\\boxed{";

/// What the model thinks and answers by itself, by the seed.
type Says = dyn Fn(u64) -> (String, String) + Send + Sync;
type Answers = dyn Fn(&str) -> (String, f32) + Send + Sync;

/// A model that thinks: every character is a token. What it draws is a text of its seed that it goes on with wherever it stands;
/// once the thought is closed for it, it answers.
struct Thinks {
    says: Box<Says>,
    /// What it answers when it is interrupted, by how much it has thought so far, and how likely each token of that is.
    interrupted: Box<Answers>,
    thoughts: Thoughts,
    writes: bool,
    calls: Mutex<Vec<Vec<Extension>>>,
}

impl Thinks {
    fn new(opened: bool, says: impl Fn(u64) -> (String, String) + Send + Sync + 'static) -> Self {
        Self {
            says: Box::new(says),
            interrupted: Box::new(|_| ("?".into(), -1.0)),
            thoughts: Thoughts {
                opened,
                ..Thoughts::marked(false, None, "\n\n")
            },
            writes: true,
            calls: Mutex::default(),
        }
    }

    fn under(mut self, thinking: &str) -> Self {
        self.thoughts.thinking = thinking.parse().unwrap();
        self
    }

    fn interrupted(
        mut self,
        answers: impl Fn(&str) -> (String, f32) + Send + Sync + 'static,
    ) -> Self {
        self.interrupted = Box::new(answers);
        self
    }

    /// All text after a prefix that is drawn without an end in sight, and its log-probability a token.
    fn rest(&self, path: &str, seed: u64) -> (String, f32) {
        if let Some(thought) = path.strip_suffix(QUESTION) {
            return (self.interrupted)(thought);
        }
        let (thought, answer) = (self.says)(seed);
        let whole = format!("{thought}{answer}");
        if let Some(rest) = whole.strip_prefix(path) {
            return (rest.to_owned(), -0.5);
        }
        // Somebody closed the thought, and the answer may have begun.
        let written = path.rsplit_once(END).unwrap().1;
        let begun = written.trim_start();
        let begun = begun.strip_prefix("**Final Answer**\n\n").unwrap_or(begun);
        (
            answer.strip_prefix(begun).unwrap_or("lost").to_owned(),
            -0.5,
        )
    }
}

fn path_of(steps: &[Arc<Step>]) -> String {
    let tokens = steps.iter().flat_map(|step| &step.tokens);
    tokens
        .map(|&token| char::from_u32(token).unwrap())
        .collect()
}

fn step(text: &str, logprob: f32) -> Step {
    let tokens: Vec<u32> = text.chars().map(u32::from).collect();
    Step {
        text: text.to_owned(),
        logprob: f64::from(logprob) * tokens.len() as f64,
        stats: TokenStats::of(tokens.len(), vec![logprob; tokens.len()], Vec::new()),
        tokens,
    }
}

/// Steps of a text that may begin inside one.
fn cut(before: &str, text: &str, request: &Extension, logprob: f32) -> Continuation {
    let short: String = text.chars().take(request.max_tokens).collect();
    let mut steps = Vec::new();
    // The step that the prefix is in, if it is in one.
    let mut open = match request.offset > 0 {
        true => before.rsplit("\n\n").next().unwrap_or_default().to_owned(),
        false => String::new(),
    };
    let mut current = String::new();
    for c in short.chars() {
        current.push(c);
        let all = format!("{open}{current}");
        if all.trim_start().contains("\n\n") {
            steps.push(step(&current, logprob));
            current.clear();
            open.clear();
            if request.until == Until::Step {
                return Continuation {
                    steps,
                    stop: Stop::Step,
                };
            }
        }
    }
    if !current.is_empty() {
        steps.push(step(&current, logprob));
    }
    let stop = match short.len() == text.len() {
        true => Stop::Answer,
        false => Stop::Length,
    };
    Continuation { steps, stop }
}

impl Policy for Thinks {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: &Extension| {
            let path = path_of(&request.steps);
            let draw = |&seed: &u64| {
                let (rest, logprob) = self.rest(&path, seed);
                cut(&path, &rest, request, logprob)
            };
            let drawn: Vec<Continuation> = request.seeds.iter().map(draw).collect();
            let steps = drawn.iter().flat_map(|own| &own.steps);
            let usage = Usage {
                requests: 1,
                prompt: 10 + path.chars().count() as u64,
                generated: steps.map(|step| step.tokens.len() as u64).sum(),
                ..Usage::default()
            };
            (drawn, usage)
        };
        let replies = requests.iter().map(reply).collect();
        self.calls.lock().unwrap().push(requests);
        ready(Ok(replies)).boxed()
    }

    fn written<'a>(
        &'a self,
        _: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        let written = match self.writes {
            true => Ok(step(text, -9.0)),
            false => Err("no tokens".into()),
        };
        ready(written).boxed()
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        Some(&self.thoughts)
    }
}

const LIMITS: Limits = Limits {
    draw_tokens: 400,
    solution_tokens: 400,
    steps: 20,
};

fn run(policy: &dyn Policy, method: AnyMethod, n: usize, limits: Limits) -> Tree {
    let problem = Arc::new(Problem::new("1 + 1?"));
    let plan = Plan::of(method, n).unwrap();
    let sampling = Sampling::at(0.7);
    let verifier = method.needs_verifier().then_some(&Half as &dyn Verifier);
    block_on(search(
        problem, &plan, sampling, limits, 3, policy, verifier,
    ))
    .unwrap()
}

struct Half;

impl Verifier for Half {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let judge = |prefix: Prefix| Judgement {
            rewards: vec![0.5; prefix.steps.len()],
            usage: Usage::default(),
        };
        ready(Ok(prefixes.into_iter().map(judge).collect())).boxed()
    }
}

/// The texts of a tree's solutions, token for token.
fn texts(tree: &Tree) -> Vec<String> {
    let solutions = tree.solutions();
    solutions.iter().map(|own| path_of(&own.steps)).collect()
}

/// Thoughts of a length by the seed.
fn counting(opened: bool) -> impl Fn(u64) -> (String, String) {
    move |seed| {
        let open = if opened { "" } else { "<think>\n" };
        let lines = (0..seed % 5 + 2).map(|line| format!("line {line} of {}", seed % 97));
        let thought: Vec<String> = lines.collect();
        let thought = thought.join("\n\n");
        let answer = format!("It is\n\n\\boxed{{{}}}.", seed % 3);
        (format!("{open}{thought}\n{END}\n\n"), answer)
    }
}

#[test]
fn a_cap_closes_the_thought_after_its_tokens_and_the_model_answers() {
    for opened in [true, false] {
        let policy = Thinks::new(opened, counting(opened)).under("cap:10");
        let tree = run(&policy, MAJORITY, 4, LIMITS);
        let open = if opened { "" } else { "<think>\n" };
        for text in texts(&tree) {
            let (thought, answer) = text.split_once(END).unwrap();
            assert_eq!(thought.trim_end_matches('\n').chars().count(), 10, "{text}");
            assert!(thought.starts_with(open), "{text}");
            assert!(answer.starts_with("\n\n**Final Answer**\n\nIt is\n\n\\boxed{"));
        }
        let written = "\n</think>\n\n**Final Answer**\n\n".len();
        let drawn: usize = tree
            .solutions()
            .iter()
            .map(|own| own.count * (path_of(&own.steps).len() - written))
            .sum();
        assert_eq!(
            tree.policy.generated, drawn as u64,
            "what is written is not drawn"
        );
        for solution in tree.solutions() {
            let stats = TokenStats::joined(solution.steps.iter().map(Arc::as_ref));
            let likely = stats.logprobs.iter().filter(|own| **own == 0.0).count();
            assert_eq!(likely, written);
            let sum: f32 = stats.logprobs.iter().sum();
            let told: f64 = solution.steps.iter().map(|step| step.logprob).sum();
            assert!((f64::from(sum) - told).abs() < 1e-3, "{sum} {told}");
        }
        let calls = policy.calls.lock().unwrap();
        assert_eq!(calls.len(), 2, "all draws advance together");
        assert_eq!((calls[0].len(), calls[0][0].seeds.len()), (1, 4));
    }
}

#[test]
fn a_draw_that_goes_on_after_its_close_takes_the_next_random_number() {
    let policy = Thinks::new(true, counting(true)).under("cap:10");
    let method = "short-m-at-k:m=4:tokens=44".parse().unwrap();
    run(&policy, method, 4, LIMITS);
    let written = "\n</think>\n\n**Final Answer**\n\n".len();
    let calls = policy.calls.lock().unwrap();
    let later: Vec<&Extension> = calls
        .iter()
        .flatten()
        .filter(|own| own.offset > 0)
        .collect();
    // The second piece of the first round, and what the second round begins with.
    assert!(later.iter().any(|own| path_of(&own.steps).len() >= 44));
    for own in later {
        let length = path_of(&own.steps).len();
        assert_eq!(
            own.offset,
            length - written,
            "what was written was not drawn"
        );
    }
}

#[test]
fn skipping_writes_a_thought_before_anything_is_drawn() {
    for (opened, begins) in [(true, "Okay, I"), (false, "<think>\nOkay, I")] {
        let policy = Thinks::new(opened, counting(opened)).under("skip");
        let tree = run(&policy, MAJORITY, 3, LIMITS);
        for text in texts(&tree) {
            assert!(text.starts_with(begins), "{text}");
            assert!(
                text.contains("finished thinking.\n</think>\n\nIt is"),
                "{text}"
            );
        }
        let calls = policy.calls.lock().unwrap();
        assert_eq!(
            (calls.len(), calls[0].len()),
            (1, 1),
            "they stand at one place"
        );
    }
}

/// Interrupted answers by how often the model was asked before, one a boundary of 10 tokens.
fn asked(answers: &'static [&'static str]) -> impl Fn(&str) -> (String, f32) {
    move |thought| {
        let place = thought.chars().count() / 10 - 1;
        (answers[place.min(answers.len() - 1)].to_owned(), -0.1)
    }
}

/// A thought of 100 tokens without a word in it.
fn long(_: u64) -> (String, String) {
    (format!("{}{END}\n\n", "x".repeat(100)), "\\boxed{7}".into())
}

#[test]
fn dynasor_closes_when_its_answers_stay_the_same() {
    for (answers, closed_at) in [
        (&["7}", "7}", "7}"][..], Some(30)),
        (&["7}", "8}", "7 }", "$7$}.", "7}"], Some(50)),
        (&["7}, wait", "7}", "7}", "7}"], Some(40)),
        (&["}", "}", "}", "}"], None),
        (&["7", "7", "7", "7"], None),
        (
            &["7}", "8}", "9}", "7}", "8}", "9}", "7}", "8}", "9}", "1}"],
            None,
        ),
    ] {
        let policy = Thinks::new(true, long)
            .under("dynasor:tokens=10:equal=3")
            .interrupted(asked(answers));
        let tree = run(&policy, MAJORITY, 1, LIMITS);
        let text = texts(&tree).remove(0);
        let thought = text.split(END).next().unwrap().trim_end_matches('\n');
        assert_eq!(
            thought.len(),
            closed_at.unwrap_or(100),
            "{answers:?}: {text}"
        );
        assert!(text.ends_with("\\boxed{7}"), "{text}");
        assert!(!text.contains("wait"), "a forced answer is no part of it");
        let asked: usize = (0..closed_at.unwrap_or(100) / 10)
            .map(|place| answers[place.min(answers.len() - 1)].len())
            .sum();
        let solution = closed_at.unwrap_or(100 + END.len() + 2) + "\\boxed{7}".len();
        assert_eq!(
            tree.policy.generated,
            (asked + solution) as u64,
            "{answers:?}"
        );
    }
}

#[test]
fn a_thought_that_is_taken_up_again_is_watched_on() {
    let ask = || {
        let policy = Thinks::new(true, long).under("dynasor:tokens=10:equal=3");
        policy.interrupted(asked(&["7}"]))
    };
    let short: AnyMethod = "short-m-at-k:m=2:tokens=36".parse().unwrap();
    let block: AnyMethod = "value-guided-search:block=36".parse().unwrap();
    for method in [short, block] {
        for (text, solution) in texts(&run(&ask(), method, 2, LIMITS)).iter().zip(1..) {
            // What closes the thought does not fit into the first piece, and so stands at the beginning of the second.
            let thought = text.split(END).next().unwrap().trim_end_matches('\n');
            assert_eq!(thought.len(), 36, "{method}, {solution}: {text}");
        }
    }
}

#[test]
fn deer_closes_before_the_turn_where_it_is_sure() {
    let turning = |_| {
        let thought = "First.\n\nWait, one.\n\nSo two.\n\nAlternatively three.\n\nWait, no.\n";
        (format!("{thought}{END}\n\n"), "\\boxed{7}".into())
    };
    let sure = |thought: &str| match thought.contains("So two") {
        true => ("7}".to_owned(), -0.02),
        false => ("6}".to_owned(), -0.2),
    };
    for mean in ["", ":mean=arithmetic"] {
        let policy = Thinks::new(true, turning).interrupted(sure);
        let policy = policy.under(&format!("deer:confidence=0.95{mean}"));
        let text = texts(&run(&policy, MAJORITY, 1, LIMITS)).remove(0);
        assert!(
            text.starts_with("First.\n\nWait, one.\n\nSo two.\n\n\n</think>"),
            "{text}"
        );
        assert!(text.ends_with("**Final Answer**\n\n\\boxed{7}"), "{text}");
    }
    let unsure = Thinks::new(true, turning)
        .interrupted(sure)
        .under("deer:confidence=0.99");
    let (thought, answer) = turning(0);
    assert_eq!(
        texts(&run(&unsure, MAJORITY, 1, LIMITS)),
        [format!("{thought}{answer}")]
    );
}

#[test]
fn deer_asks_no_more_than_ten_times() {
    let waits = |_| {
        let thought = "Wait.\n\n".repeat(30);
        (format!("{thought}{END}\n\n"), "\\boxed{7}".into())
    };
    let policy = Thinks::new(true, waits).under("deer");
    let tree = run(&policy, MAJORITY, 1, LIMITS);
    let (thought, answer) = waits(0);
    assert_eq!(texts(&tree), [format!("{thought}{answer}")]);
    assert_eq!(
        tree.policy.generated,
        (thought.len() + answer.len() + 10) as u64
    );
}

#[test]
fn in_a_search_over_steps_the_thought_is_one_step() {
    for opened in [true, false] {
        let policy = Thinks::new(opened, counting(opened)).under("cap:15");
        let tree = run(&policy, BEAM, 4, LIMITS);
        for solution in tree.solutions() {
            assert_eq!(solution.stop, Stop::Answer);
            let steps: Vec<&str> = solution
                .steps
                .iter()
                .map(|step| step.text.as_str())
                .collect();
            assert_eq!(steps.len(), 3, "{steps:?}");
            assert!(
                steps[0].contains(END) && !steps[1].contains(END),
                "{steps:?}"
            );
            assert_eq!(steps[1], "It is");
        }
        let whole = Thinks::new(opened, counting(opened)).under("cap:300");
        let tree = run(&whole, BEAM, 4, LIMITS);
        for solution in tree.solutions() {
            assert!(
                solution.steps[0].text.ends_with(END),
                "{:?}",
                solution.steps[0]
            );
            assert_eq!(solution.steps[1].text, "It is");
        }
    }
}

#[test]
fn a_model_that_does_not_think_is_left_alone() {
    let plain = |seed| (String::new(), format!("It is\n\n\\boxed{{{}}}.", seed % 3));
    for thinking in ["cap:1", "cap:5", "dynasor:tokens=4", "deer"] {
        for method in [MAJORITY, BEAM] {
            let left = run(&Thinks::new(false, plain), method, 4, LIMITS);
            let watched = run(
                &Thinks::new(false, plain).under(thinking),
                method,
                4,
                LIMITS,
            );
            assert_eq!(texts(&watched), texts(&left), "{thinking}");
            assert_eq!(watched.policy.generated, left.policy.generated);
        }
    }
}

#[test]
fn a_thought_that_does_not_fit_is_cut_off_as_without_a_control() {
    for (tokens, closes) in [(8, false), (12, false), (30, false), (44, true)] {
        let limits = Limits {
            solution_tokens: tokens,
            ..LIMITS
        };
        let policy = Thinks::new(true, long).under("cap:12");
        let tree = run(&policy, MAJORITY, 1, limits);
        let solution = tree.solutions().remove(0);
        let text = path_of(&solution.steps);
        assert!(text.chars().count() <= tokens);
        assert_eq!(text.contains(END), closes, "{tokens}: {text}");
        assert_eq!(solution.stop, Stop::Length, "{tokens}: {text}");
    }
    // Nor is anything written beyond the context: a question of 10 tokens leaves 30.
    let mut policy = Thinks::new(true, long)
        .under("dynasor:tokens=10:equal=1")
        .interrupted(asked(&["7}"]));
    policy.thoughts.context = Some(40);
    let text = texts(&run(&policy, MAJORITY, 1, LIMITS)).remove(0);
    assert!(
        text.ends_with("\\boxed{7}") && !text.contains("Final"),
        "{text}"
    );
}

#[test]
fn a_halt_keeps_what_is_done_and_drops_the_rest() {
    let policy = Thinks::new(true, counting(true)).under("cap:12");
    let halt = Halt::default();
    halt.stop();
    let tree = run(&Capped::new(&policy, &halt), MAJORITY, 2, LIMITS);
    assert!(tree.solutions().iter().all(|own| own.steps.is_empty()));
    assert!(policy.calls.lock().unwrap().is_empty());
    let halt = Halt::after(13);
    let tree = run(&Capped::new(&policy, &halt), MAJORITY, 1, LIMITS);
    assert_eq!(
        policy.calls.lock().unwrap().len(),
        2,
        "stopped after the answer"
    );
    assert_eq!(tree.solutions()[0].stop, Stop::Answer);
}

/// Ends a step without a word, whatever it is asked.
struct Mute(Thoughts);

impl Policy for Mute {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let nothing = Continuation {
            steps: Vec::new(),
            stop: Stop::Step,
        };
        let reply = |own: Extension| (vec![nothing.clone(); own.seeds.len()], Usage::default());
        ready(Ok(requests.into_iter().map(reply).collect())).boxed()
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        Some(&self.0)
    }
}

#[test]
fn who_says_nothing_in_a_thought_is_not_asked_for_ever() {
    let thoughts = Thoughts {
        opened: true,
        thinking: "cap:8".parse().unwrap(),
        ..Thoughts::marked(false, None, "\n\n")
    };
    let tree = run(&Mute(thoughts), BEAM, 4, Limits::default());
    assert!(texts(&tree).is_empty());
}

#[test]
fn a_policy_that_takes_no_written_text_says_which_control_needs_it() {
    let mut policy = Thinks::new(true, counting(true)).under("cap:12");
    policy.writes = false;
    let problem = Arc::new(Problem::new("1 + 1?"));
    let plan = Plan::of(MAJORITY, 1).unwrap();
    let searched = block_on(search(
        problem,
        &plan,
        Sampling::at(1.0),
        LIMITS,
        0,
        &policy,
        None,
    ));
    let error = searched.unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "thinking `cap:tokens=12`: no tokens");
}

#[test]
fn a_search_counts_each_token_once_and_forks_as_drawn() {
    let policy = Thinks::new(true, long)
        .under("dynasor:tokens=10:equal=3")
        .interrupted(asked(&["7}"]));
    let tree = run(&CountedPolicy::new(&policy), MAJORITY, 1, LIMITS);
    // The question, 30 tokens of thought, three times the forced answer's beginning with all but its last token, what is written,
    // which begins as the last of these does, and all but the last token of the answer.
    let forks = 3 * (QUESTION.len() + 1);
    let close = "\n</think>\n\n**Final Answer**\n\n".len() - 1;
    let computed = 10 + 30 + forks + close + "\\boxed{7}".len() - 1;
    assert_eq!(tree.policy.computed, computed as u64);
}

#[test]
fn a_control_is_written_as_methods_are_and_refused_with_the_reason() {
    for (typed, name) in [
        ("on", "on"),
        ("SKIP", "skip"),
        ("cap", "cap"),
        ("cap:512", "cap:tokens=512"),
        ("cap:tokens=4096", "cap"),
        ("dynasor:equal=2", "dynasor:equal=2"),
        ("deer:0.9", ""),
        (
            "deer:mean=arithmetic:confidence=0.9",
            "deer:confidence=0.9:mean=arithmetic",
        ),
        ("cap:0", ""),
        ("cap:heat=2", ""),
        ("dynasor:tokens=0", ""),
        ("deer:confidence=1.5", ""),
        ("skip:tokens=1", ""),
        ("of", ""),
    ] {
        let read = typed.parse::<Thinking>();
        match name {
            "" => assert!(!read.unwrap_err().is_empty(), "{typed}"),
            name => assert_eq!(read.unwrap().name(), name),
        }
    }
    let unknown = "cat".parse::<Thinking>().unwrap_err();
    assert!(
        unknown.contains("on, skip, cap, dynasor, deer"),
        "{unknown}"
    );
}

proptest! {
    /// Where a control never closes, nothing is different from no control, however the thought is cut: no token is drawn twice, none
    /// is lost, and the steps are the same.
    #[test]
    fn a_draw_in_pieces_is_the_draw(
        pieces in prop::collection::vec(prop::sample::select(vec!["a", "\n", "\n\n", "<", "</think", "Wait", " ", ">", "}"]), 0..40),
        opened: bool,
        thinking in prop::sample::select(vec!["cap:7", "cap:30", "dynasor:tokens=1", "dynasor:tokens=5", "deer"]),
        closes: bool,
    ) {
        let open = if opened { "" } else { "<think>" };
        let text: String = pieces.concat();
        let close = if closes { "</think>" } else { "" };
        let says = move |_: u64| (format!("{open}{text}{close}b"), "c\n\nd".to_owned());
        let left = run(&Thinks::new(opened, says.clone()), MAJORITY, 1, LIMITS);
        let (thought, _) = says(0);
        let inner = thought.strip_prefix(open).unwrap();
        let length = inner.find(END).map_or(usize::MAX, |at| at);
        let own: Thinking = thinking.parse().unwrap();
        let policy = Thinks::new(opened, says).under(thinking);
        let watched = run(&policy, MAJORITY, 1, LIMITS);
        if let Some(cap) = own.name().strip_prefix("cap:tokens=") {
            let cap: usize = cap.parse().unwrap();
            prop_assume!(length != usize::MAX && length + open.len() + END.len() <= cap);
        }
        prop_assert_eq!(texts(&watched), texts(&left));
        let solutions = [&watched, &left].map(|tree| tree.solutions());
        let steps = solutions.map(|own| own[0].steps.iter().map(|step| step.text.clone()).collect::<Vec<_>>());
        prop_assert_eq!(&steps[0], &steps[1]);
        let side = policy.calls.lock().unwrap().iter().flatten().filter(|own| path_of(&own.steps).ends_with(QUESTION)).count();
        prop_assert_eq!(watched.policy.generated, left.policy.generated + side as u64);
    }
}
