use super::*;

fn set(text: &str, golds: Golds) -> Result<Dataset, String> {
    read_dataset_from(
        "some/set.jsonl",
        text.as_bytes(),
        &Columns::default(),
        golds,
    )
    .map_err(|error| error.to_string())
}

fn read(text: &str) -> Dataset {
    set(text, Golds::Needed).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_layout_of_the_benchmarks_is_read() {
    for (row, text, gold) in [
        // MATH-500, MATH, AMC and AIME of the paper's code
        (
            r#"{"problem": "p", "solution": "so \\boxed{3}", "answer": "2"}"#,
            "p",
            "2",
        ),
        (
            r#"{"problem": "p", "level": "Level 5", "type": "Algebra", "solution": "Not \\boxed{1}, but $\\boxed{\\frac12}$."}"#,
            "p",
            r"\frac12",
        ),
        (
            r#"{"problem": "p", "solution": 27.0, "extracted_groundtruth": 27.0, "url": "u"}"#,
            "p",
            "27",
        ),
        (
            r#"{"problem": "p", "solution": "s", "extracted_groundtruth": "025"}"#,
            "p",
            "025",
        ),
        // GSM8K, plain and as others keep it
        (
            r#"{"question": "q", "answer": "48/2 = <<48/2=24>>24\nSo $1,000.\n#### 1,000"}"#,
            "q",
            "1,000",
        ),
        (
            r#"{"query": "q", "response": "It is 5.\n#### 72\nThe answer is: 72", "type": "GSM_AnsAug", "original_question": "o"}"#,
            "q",
            "72",
        ),
        (r#"{"input": "q", "code": "x", "target": 3.5}"#, "q", "3.5"),
        (
            r#"{"question": "q", "answer": null, "answer_number": 18}"#,
            "q",
            "18",
        ),
        (r#"{"question": "q", "final_ans": "8"}"#, "q", "8"),
        // SVAMP and ASDiv
        (
            r#"{"ID": "c", "Body": "He has 3. ", "Question": "How many?", "Equation": "e", "Answer": 51.0, "Type": "t"}"#,
            "He has 3. How many?",
            "51",
        ),
        (
            r#"{"body": "b.", "question": "q?", "answer": "9 (apples)", "formula": "7+2=9"}"#,
            "b. q?",
            "9",
        ),
        // OlympiadBench
        (
            r#"{"context": null, "question": "q", "solution": ["s"], "final_answer": ["2"], "unit": null}"#,
            "q",
            "2",
        ),
        (
            r#"{"context": "c.", "question": "q", "final_answer": ["2"]}"#,
            "c. q",
            "2",
        ),
        // AIME and others of the hub
        (
            r#"{"ID": "2024-I-4", "Problem": "p", "Solution": "s", "Answer": 116}"#,
            "p",
            "116",
        ),
        (
            r#"{"Question Text": "p", "Correct Answer": "-3"}"#,
            "p",
            "-3",
        ),
        (
            r#"{"instruction": "Solve.", "input": "p", "output": "so \\boxed{4}"}"#,
            "Solve. p",
            "4",
        ),
        (
            r#"{"instruction": "p", "input": "", "output": "The answer is 4."}"#,
            "p",
            "4",
        ),
        (r#"{"problem": "p", "label": 1.5}"#, "p", "1.5"),
        (r#"{"problem": "p", "expected": true}"#, "p", "true"),
        (
            r#"{"problem": "p", "answer": 0.1, "prediction": 5}"#,
            "p",
            "0.1",
        ),
        (
            r#"{"problem": "p", "answer": 12345678901234567890}"#,
            "p",
            "12345678901234567890",
        ),
        // verl
        (
            r#"{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "ability": "math", "reward_model": {"style": "rule", "ground_truth": "34"}, "extra_info": {"index": 7}}"#,
            "q",
            "34",
        ),
        (
            r#"{"prompt": [{"role": "user", "content": "q Think!"}], "reward_model": {"ground_truth": "34"}, "extra_info": {"question": "q", "answer": "so\n#### 34"}}"#,
            "q",
            "34",
        ),
        (
            r#"{"messages": [{"from": "human", "value": [{"type": "text", "text": "q"}]}], "answer": "5"}"#,
            "q",
            "5",
        ),
        (
            r#"{"row_idx": 0, "row": {"problem": "p", "answer": "5"}, "truncated_cells": []}"#,
            "p",
            "5",
        ),
        // the answer of a column that cannot be read gives way to one that can
        (
            r#"{"question": "q", "answer": "First he adds them all up, and then he is done.", "final_answer": "5"}"#,
            "q",
            "5",
        ),
    ] {
        let read = read(row);
        let [problem] = read.problems.as_slice() else {
            panic!("{row}");
        };
        assert_eq!(
            (problem.text.as_str(), problem.gold.as_str()),
            (text, gold),
            "{row}"
        );
        assert_eq!(read.notes, Vec::<String>::new(), "{row}");
    }
}

#[test]
fn ids_levels_and_subjects_are_kept_whatever_their_type() {
    let read = read(concat!(
        r#"{"problem": "p", "answer": "2", "level": "Level 3", "unique_id": "a/1", "subject": "Algebra"}"#,
        "\n",
        r#"{"problem": "q", "answer": "2", "level": 4, "unique_id": 60, "subject": "Algebra"}"#,
        "\n",
        r#"{"problem": "r", "answer": "2", "level": "hard", "unique_id": {"$oid": "6f"}}"#,
        "\n",
        r#"{"problem": "s", "answer": "2", "unique_id": null}"#,
    ));
    let levels: Vec<Option<i64>> = read.problems.iter().map(|own| own.level).collect();
    assert_eq!(levels, [Some(3), Some(4), None, None]);
    let ids: Vec<&str> = read.problems.iter().map(|own| own.id.as_str()).collect();
    assert_eq!(ids, ["a/1", "60", r#"{"$oid":"6f"}"#, "set-3"]);
    assert_eq!(read.problems[1].subject.as_deref(), Some("Algebra"));
    assert_eq!(read.columns, "problem → answer");
}

#[test]
fn what_is_missing_or_could_be_two_things_is_named() {
    for (text, told) in [
        (
            r#"{"text": "p", "answer": 1}"#,
            "has no column for the problem; it has answer, text: name one with --problem-column",
        ),
        (
            r#"{"problem": "p", "steps": ["s"], "label": -1}"#,
            "no column for the answer",
        ),
        (
            "{\"problem\": \"p\", \"answer\": 1}\n\n{\"problem\": \"q\"}",
            "line 3: it has no answer in column `answer`",
        ),
        (
            "{\"problem\": \"p\", \"answer\": 1}\n{\"problem\": \" \", \"answer\": 1}",
            "line 2: it has no problem in column `problem`",
        ),
        (
            r#"{"problem": "p", "answer": ["1", "2"]}"#,
            "no column for the answer",
        ),
        (
            r#"{"problem": "p", "a": {"answer": 1}, "b": {"answer": 2}}"#,
            "several could be it: a.answer, b.answer",
        ),
    ] {
        let error = set(text, Golds::Needed).expect_err(told);
        assert!(
            error.starts_with("some/set.jsonl") && error.contains(told),
            "{error}"
        );
    }
    let named = |problem: &str, answer: &str| {
        let columns = Columns {
            problem: Some(problem.into()),
            answer: Some(answer.into()),
            id: Some("text".into()),
        };
        let text = r#"{"text": "p", "a": {"answer": 1}, "b.c": "2", "id": 7}"#;
        read_dataset_from("x", text.as_bytes(), &columns, Golds::Needed)
    };
    assert_eq!(
        named("text", "a.answer").expect("read").problems[0].gold,
        "1"
    );
    let set = named("text", "b.c").expect("read");
    assert_eq!(
        (&*set.problems[0].gold, &*set.problems[0].id),
        ("2", "p"),
        "a problem may be called by its text"
    );
    assert!(named("text", "b").is_err());
}

#[test]
fn a_problem_that_stands_there_twice_ends_nothing_and_is_told() {
    let twice = read(concat!(
        r#"{"id": 1, "problem": "p", "answer": "1/2"}"#,
        "\n",
        r#"{"id": 1, "problem": "p", "answer": "1/2"}"#,
        "\n",
        r#"{"id": 2, "problem": " p ", "answer": "0.5"}"#,
        "\n",
        r#"{"id": 3, "problem": "p", "answer": "3"}"#,
        "\n",
        r#"{"id": 1, "problem": "q", "answer": "4"}"#,
        "\n",
    ));
    let ids: Vec<&str> = twice.problems.iter().map(|own| own.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "1#2"]);
    assert_eq!(
        twice.notes,
        [
            "1 row repeats an earlier one (for example line 2 is line 1 again); each problem is used once, which leaves 4",
            "1 problem has an earlier one's text and answer (for example line 3 those of line 1); all are used",
            "1 problem asks what an earlier one asks and has another answer (for example line 1 `1/2` and line 4 `3`); all are used, and not all can be right",
            "1 id is another problem's (for example `1`, which is called `1#2` the second time)",
        ]
    );
    let rows = "{\"problem\": \"p\", \"answer\": 1}\n".repeat(3);
    let without = read(&rows);
    assert_eq!(
        without.problems.len(),
        3,
        "a row without an id is a problem"
    );
    assert!(
        without.notes[0].starts_with("2 problems have"),
        "{:?}",
        without.notes
    );
    let without = set(
        "{\"problem\": \"p\"}\n{\"problem\": \"p\"}\n{\"problem\": \"q\", \"gold\": 1}",
        Golds::IfAny,
    );
    let problems = without.expect("read").problems;
    let told: Vec<(&str, &str)> = problems
        .iter()
        .map(|own| (own.id.as_str(), own.gold.as_str()))
        .collect();
    assert_eq!(told, [("p", ""), ("q", "1")]);
}

#[test]
fn golds_that_only_the_same_text_can_match_are_counted() {
    let rows = [
        r"\frac12",
        "He adds them, and that is all there is to it.",
        "Evelyn",
        "17+19=<<36>>36 in all.",
        "(3, 4]",
    ];
    let rows: Vec<String> = rows
        .iter()
        .zip(0..)
        .map(|(gold, id)| {
            serde_json::json!({"problem": format!("p{id}"), "answer": gold}).to_string()
        })
        .collect();
    let notes = read(&rows.join("\n")).notes;
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with(
            "2 of 5 answers in column `answer` cannot be read as mathematics, for example `He adds"
        ),
        "{notes:?}"
    );
}

/// Where they are, the real files: every row is read, no gold is left as its rationale.
#[test]
fn gsm8k_and_svamp_are_read_to_the_last_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pools/text");
    for (file, count) in [
        ("gsm8k-test.jsonl.gz", 1319),
        ("gsm8k-train.jsonl.gz", 7473),
        ("svamp.jsonl.gz", 1000),
    ] {
        let file = folder.join(file);
        if !file.exists() {
            continue;
        }
        let read = read_dataset(&file, &Columns::default(), Golds::Needed).expect("read");
        assert_eq!(read.problems.len(), count);
        assert_eq!(read.notes, Vec::<String>::new());
        let number = |gold: &str| {
            gold.chars()
                .all(|c| c.is_ascii_digit() || ",.-".contains(c))
        };
        assert!(read.problems.iter().all(|own| number(&own.gold)));
    }
}
