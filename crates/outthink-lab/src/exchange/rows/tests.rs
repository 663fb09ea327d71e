use std::io::BufRead;

use serde_json::json;

use super::*;

fn read(name: &str, bytes: &[u8]) -> Result<Vec<Row>, String> {
    rows_of(name, bytes).map_err(|error| error.to_string())
}

fn cells(name: &str, bytes: &[u8]) -> Vec<Value> {
    let rows = read(name, bytes).unwrap_or_else(|error| panic!("{error}"));
    rows.into_iter()
        .map(|row| Value::Object(row.cells))
        .collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("written");
    gzip.finish().expect("finished")
}

fn wide(text: &str, to: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(to).collect()
}

/// The same two rows as people keep them.
#[test]
fn what_a_file_holds_decides_how_it_is_read() {
    let rows = [
        json!({"question": "What is $3+4$?", "answer": "7"}),
        json!({"question": "And \"1,5\";\n2?", "answer": "3,5"}),
    ];
    let [one, two] = rows.each_ref().map(Value::to_string);
    let pretty = rows
        .each_ref()
        .map(|row| serde_json::to_string_pretty(row).expect("json"));
    let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
    let array = format!("[{one}, {two}]");
    for (name, text) in [
        ("lines.jsonl", format!("{one}\n{two}\n")),
        ("windows.jsonl", format!("\u{feff}{one}\r\n\r\n  {two}  \r\n")),
        ("joined.jsonl", format!("{one}\n\u{feff}{two}")),
        ("commas.jsonl", format!("{one},\n{two},\n")),
        ("lines.json", format!("{one}\n{two}")),
        ("lines.txt", format!("\n{one}\n{two}\n")),
        ("no-ending", format!("{one}\n{two}\n")),
        ("array.json", array.clone()),
        ("array.jsonl", array.clone()),
        ("array.csv", array.clone()),
        ("indented.json", serde_json::to_string_pretty(&rows).expect("json")),
        ("objects.json", pretty.join("\n")),
        ("data.json", json!({"version": 1, "data": rows}).to_string()),
        ("named.json", json!({"problems": rows, "by": "me"}).to_string()),
        (
            "hub.json",
            json!({
                "features": [{"feature_idx": 0, "name": "question"}],
                "rows": [{"row_idx": 0, "row": rows[0], "truncated_cells": []}, {"row_idx": 1, "row": rows[1], "truncated_cells": []}],
                "num_rows_total": 2,
            })
            .to_string(),
        ),
        (
            "columns.json",
            json!({"question": [rows[0]["question"], rows[1]["question"]], "answer": ["7", "3,5"]}).to_string(),
        ),
        (
            "pandas.json",
            json!({"question": {"0": rows[0]["question"], "1": rows[1]["question"]}, "answer": {"0": "7", "1": "3,5"}}).to_string(),
        ),
        ("table.csv", "question,answer\nWhat is $3+4$?,7\n\"And \"\"1,5\"\";\n2?\",\"3,5\"\n".into()),
        ("excel.csv", "\u{feff}question;answer\r\nWhat is $3+4$?;7\r\n\r\n\"And \"\"1,5\"\";\n2?\";3,5;\r\n".into()),
        ("said.csv", "sep=;\nquestion;answer\nWhat is $3+4$?;7\n\"And \"\"1,5\"\";\n2?\";3,5\n".into()),
        ("table.tsv", "question\tanswer\nWhat is $3+4$?\t7\n\"And \"\"1,5\"\";\n2?\"\t3,5\n".into()),
        ("table.txt", " question \tanswer\nWhat is $3+4$?\t7\n\"And \"\"1,5\"\";\n2?\"\t3,5\n".into()),
    ] {
        files.push((name, wide(&text, u16::to_le_bytes)));
        files.push((name, wide(&text, u16::to_be_bytes)));
        files.push((name, gzipped(text.as_bytes())));
        files.push((name, text.into_bytes()));
    }
    for (name, bytes) in files {
        assert_eq!(cells(name, &bytes), rows, "{name}");
    }
}

#[test]
fn rows_by_id_keep_it_and_what_python_writes_for_nothing_is_nothing() {
    let by_id = br#"{"a": {"problem": "p"}, "b": {"problem": "NaN?", "level": NaN}}"#;
    let rows = cells("x.json", by_id);
    assert_eq!(
        rows[1],
        json!({"id": "b", "problem": "NaN?", "level": null})
    );
    let lines = b"{\"problem\": \"p\", \"level\": NaN}\n{\"problem\": \"q\", \"level\": -Infinity}";
    assert_eq!(cells("x.jsonl", lines)[1]["level"], Value::Null);
    assert_eq!(
        cells("x.json", br#"[{"problem": "Infinity", "level": Infinity}]"#)[0]["problem"],
        "Infinity"
    );
}

#[test]
fn a_row_has_the_line_on_which_it_begins() {
    let places = |text: &str| -> Vec<String> {
        let rows = read("x", text.as_bytes()).expect("rows");
        rows.iter().map(|row| row.place.to_string()).collect()
    };
    assert_eq!(
        places("{\"problem\": 1}\n\n{\"problem\": 2}"),
        ["line 1", "line 3"]
    );
    assert_eq!(
        places("[\n{\"problem\":\n 1},\n\n{\"problem\": 2}]"),
        ["line 2", "line 5"]
    );
    assert_eq!(
        places("{\n\"problem\":\n 1}\n{\n\"problem\": 2}"),
        ["line 1", "line 4"]
    );
    assert_eq!(
        places("problem,answer\n\"a\nb\",1\n\nc,2"),
        ["line 2", "line 5"]
    );
    assert_eq!(
        places(r#"{"data": [{"problem": 1}, {"problem": 2}]}"#),
        ["row 1", "row 2"]
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    for (name, bytes, told) in [
        (
            "x.jsonl",
            &b"{\"problem\": \"p\"}\n{\"problem\": \"\xc3\xa4\", \"an\n"[..],
            "x.jsonl line 2: EOF while parsing a string (column 20)",
        ),
        (
            "x.jsonl",
            b"{\"problem\": \"p\"\n{\"problem\": \"q\"}\n",
            "x.jsonl line 1: EOF while parsing an object (column 15)",
        ),
        (
            "x.jsonl",
            b"{\"problem\": \"p\"}\n5\n",
            "x.jsonl line 2: a row is an object, not integer `5`",
        ),
        (
            "x.json",
            b"[\n {\"problem\": \"p\"},\n 5]",
            "x.json line 3: a row is an object",
        ),
        (
            "x.json",
            b"[\n {\"problem\": \"p\"},\n",
            "x.json line 3: EOF while parsing",
        ),
        (
            "x.json",
            b"\n\nproblem: p",
            "x.json line 3: this is no JSON",
        ),
        (
            "x.csv",
            b"problem,answer\na,1\nb, c,2\n",
            "x.csv line 3: 3 cells, where the header has 2",
        ),
        (
            "x.csv",
            b"problem,answer\na,1\n\"b\n\n",
            "x.csv line 3: 1 cell, where",
        ),
        (
            "x.jsonl",
            b"{\"problem\": 1}\n{\"problem\": \"\xff\"}",
            "x.jsonl line 2: the text is not UTF-8",
        ),
        (
            "x.txt",
            b"Dear all,\nplease solve these.",
            "x.txt line 1: this is neither JSON nor a table",
        ),
        ("x.jsonl", b" \n\n", "x.jsonl holds no problems"),
        (
            "x.csv",
            b"problem\0,answer\n",
            "x.csv is no text, and no Parquet or gzip",
        ),
        ("x.csv", b"problem,answer\n", "x.csv holds no problems"),
        ("x.jsonl", b"<!DOCTYPE html>", "x.jsonl is a web page"),
        (
            "x.jsonl",
            b"version https://git-lfs.github.com/spec/v1\n",
            "x.jsonl is a pointer of Git LFS",
        ),
        (
            "x.json",
            br#"{"train": [{"problem": 1}], "test": [{"problem": 2}]}"#,
            "several lists of rows (test, train)",
        ),
        (
            "x.parquet",
            b"PAR1PAR1",
            "x.parquet cannot be read as Parquet",
        ),
    ] {
        let error = read(name, bytes).expect_err(told);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn lines_come_unpacked_without_marks_and_out_of_an_array() {
    let read = |bytes: &[u8]| -> Vec<(usize, String)> {
        let lines = json_lines("x", bytes).expect("lines").lines().zip(1..);
        let lines = lines.map(|(line, number)| (number, line.expect("text")));
        lines.filter(|(_, line)| !line.trim().is_empty()).collect()
    };
    let text = "{\"a\":1}\n\n{\"a\":2}\n";
    let found = [(1, "{\"a\":1}".to_owned()), (3, "{\"a\":2}".to_owned())];
    assert_eq!(read(text.as_bytes()), found);
    assert_eq!(read(format!("\u{feff}{text}").as_bytes()), found);
    assert_eq!(read(&gzipped(format!("\u{feff}{text}").as_bytes())), found);
    assert_eq!(read(&wide(text, u16::to_be_bytes)), found);
    assert_eq!(read(b"[{\"a\": 1\n},\n{\n\"a\": 2}]"), found);
    assert_eq!(read(b"5\n"), [(1, "5".to_owned())]);
    assert!(json_lines("x", &b"[1"[..]).is_err());
}

/// Gives out the same for ever.
struct Endless(&'static [u8]);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let whole = into.len() - into.len() % self.0.len();
        let into = if whole == 0 { into } else { &mut into[..whole] };
        for part in into.chunks_mut(self.0.len()) {
            part.copy_from_slice(&self.0[..part.len()]);
        }
        Ok(into.len())
    }
}

#[test]
fn what_has_no_end_is_not_read_to_it() {
    let noise: &[u8] = b"\x8f\x00\xa7\x13z";
    for bytes in [noise, b"\0"] {
        let counted = rows_of("pipe", Endless(bytes))
            .expect_err("no rows")
            .to_string();
        assert_eq!(counted, "pipe is no text, and no Parquet or gzip");
        assert!(json_lines("pipe", Endless(bytes)).is_err());
    }
    let error = rows_of("pipe", Endless(b"y\n"))
        .expect_err("no rows")
        .to_string();
    assert!(error.contains("more than 256 MiB from a pipe"), "{error}");
    let mut lines = json_lines("pipe", Endless(b"{\"a\": "))
        .expect("lines")
        .lines();
    let error = lines
        .next()
        .expect("a line")
        .expect_err("no end")
        .to_string();
    assert_eq!(error, "a line is longer than 64 MiB");
    // Many lines are no long one.
    let lines = json_lines("pipe", Endless(b"{\"a\": 1}  \n"))
        .expect("lines")
        .lines();
    assert_eq!(lines.take(100_000).filter(Result::is_ok).count(), 100_000);
}

#[cfg(unix)]
#[test]
fn a_device_holds_no_rows_and_a_pipe_may() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    for device in ["/dev/zero", "/dev/urandom"] {
        let error = read_rows(device.as_ref()).expect_err("no rows");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(
            cause.as_deref(),
            Some("it is a device, not a file"),
            "{error}"
        );
    }
    // As the shell names the output of a command: `<(zcat …)`.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer
        .write_all(b"question,answer\nWhat is 1?,1\n")
        .expect("written");
    drop(writer);
    let name = format!("/dev/fd/{}", reader.as_raw_fd());
    assert_eq!(read_rows(name.as_ref()).expect("rows").len(), 1);
}
