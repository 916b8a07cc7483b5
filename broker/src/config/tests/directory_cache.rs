//! `[directory.cache]`.

use std::time::Duration;

use ldap_map::cache::{Polling, Settings};

use crate::config::testing::{COMPLETE, Written};

fn written(keys: &str) -> Written {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}\n[directory.cache]\n{keys}\n"));
    written
}

#[test]
fn without_the_table_nothing_is_remembered_and_with_it_seconds_are() {
    let bare = Written::new().loaded().unwrap();
    assert!(bare.domains.own().directory().cache_settings().is_none());
    let config = written("").loaded().unwrap();
    let second = Duration::from_secs;
    let expected =
        Settings { maximum_age: second(10), maximum_negative_age: second(2), entries: 1000, polling: None };
    assert_eq!(config.domains.own().directory().cache_settings(), Some(expected));
    let polled = written("maximum_age = \"5m\"\npoll_interval = \"1s\"\nmaximum_poll_age = \"3s\"").loaded();
    let polling = Some(Polling { interval: second(1), maximum_age: second(3) });
    let expected = Settings { maximum_age: second(300), polling, ..expected };
    assert_eq!(polled.unwrap().domains.own().directory().cache_settings(), Some(expected));
}

#[test]
fn answers_must_be_usable_between_two_polls_and_are_never_kept_for_long() {
    for (keys, key) in [
        ("poll_interval = \"20s\"", "maximum_poll_age"),
        ("maximum_age = \"2h\"", "maximum_age"),
        ("maximum_negative_age = \"2m\"", "maximum_negative_age"),
        ("entries = 0", "entries"),
        ("maximum_ages = \"1s\"", "maximum_ages"),
    ] {
        let problems = written(keys).problems();
        assert!(
            problems.len() == 1 && problems[0].contains(&format!("directory.cache.{key}")),
            "{problems:?}"
        );
    }
}
