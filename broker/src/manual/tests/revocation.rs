//! What the page on revocation names is there.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{error::Code, handoff::EndCause, metrics::Metrics};

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
        // Of what has no value yet only the registration tells, which adds the first words of the name.
        let own = name.trim_start_matches("kerbridge_");
        let registered = own.match_indices('_').map(|(at, _)| own.split_at(at + 1).1).chain([own]);
        let mut registered = registered.map(|name| format!("\"{name}\""));
        let told =
            metrics.contains(&format!("# TYPE {name} ")) || registered.any(|name| collected.contains(&name));
        assert!(told, "nobody counts {name}");
    }
}

#[test]
fn every_key_of_the_page_on_revocation_is_read_by_the_configuration() {
    let read = of_this_crate("config");
    let is_read = |key: &str| read.contains(&format!("\"{key}\""));
    let blocks = PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 8, "{lines:?}");
    for line in lines {
        let table = || line.trim_matches(['[', ']']).rsplit('.').next();
        let key = line.split_once(" = ").map(|(key, _)| key).or_else(table).unwrap();
        assert!(is_read(key), "no such key: {line}");
    }
    // Keys in the running text: those that are set to something, and lower-case words with an underscore.
    let mut keys = 0;
    for span in spans().into_iter().filter(|span| !span.starts_with("kerbridge")) {
        let key = span.split(" = ").next().unwrap();
        let is_word = key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        if is_word && key.contains('_') && !is_read(key) {
            let is_other = EndCause::ALL.iter().any(|cause| cause.as_str() == key)
                || Code::ALL.iter().any(|code| code.as_str() == key)
                || ["certificate_sha256", "login_id", "session_ended", "session_undecided"].contains(&key);
            assert!(is_other, "no such key: {span}");
        }
        keys += usize::from(is_read(key));
    }
    assert!(keys > 10, "{keys}");
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
