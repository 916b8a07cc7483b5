//! What the page on revocation names is there.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{handoff::EndCause, metrics::Metrics};

const PAGE: &str = include_str!("../revocation.md");

/// All texts between backquotes outside of blocks.
fn spans() -> BTreeSet<&'static str> {
    let outside = PAGE.split("```").step_by(2);
    outside.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The sources of a folder, in one text.
#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

fn of_this_crate(folder: &str) -> String {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder))
}

#[test]
fn every_metric_of_the_page_on_revocation_is_counted() {
    let metrics = Metrics::new().text();
    let collected = of_this_crate("metrics");
    let named: Vec<_> = spans().into_iter().filter(|span| span.starts_with("kerbridge_")).collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        let name = name.trim_end_matches("_total");
        let by_collector = format!("\"{}\"", name.trim_start_matches("kerbridge_"));
        let told = metrics.contains(&format!("# TYPE {name} ")) || collected.contains(&by_collector);
        assert!(told, "nobody counts {name}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn every_key_of_the_page_on_revocation_is_in_the_complete_configuration() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kerbridge.toml");
    let example = fs::read_to_string(example).unwrap();
    let keys: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    let blocks = PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 8, "{lines:?}");
    for line in lines {
        match line.split_once(" = ") {
            Some((key, _)) => assert!(keys.contains(key), "no such key: {line}"),
            None => assert!(example.contains(line), "no such table: {line}"),
        }
    }
    for span in spans() {
        let key = span.split(" = ").next().unwrap();
        let is_key = span.contains(" = ") && !key.contains(['.', '(', ' ']) && key != "event";
        assert!(!is_key || keys.contains(key), "no such key: {span}");
    }
    for key in [
        "recheck_interval",
        "recheck_grace",
        "reuse_answers",
        "cached_no_older_than",
        "ocsp_responders",
        "crl_urls",
    ] {
        assert!(spans().contains(key) && keys.contains(key), "{key}");
    }
}

#[test]
fn every_detail_that_the_page_on_revocation_explains_is_written_by_the_first_step() {
    let table = PAGE.split("| in the `detail` |").nth(1).unwrap().split("\n\n").next().unwrap();
    let texts: Vec<&str> =
        table.lines().skip(2).map(|row| row.split('`').nth(1).unwrap_or_else(|| panic!("{row}"))).collect();
    assert!(texts.len() > 10);
    let written = of_this_crate("identity");
    for text in texts {
        assert!(written.contains(text), "nobody writes: {text}");
    }
}

#[test]
fn every_cause_of_the_end_of_a_session_is_explained() {
    let readme = include_str!("../../../../README.md");
    for cause in EndCause::ALL {
        assert!(spans().contains(cause.as_str()), "{cause}");
        assert!(readme.contains(&format!("`{cause}`")), "{cause} in README.md");
    }
}
