use super::*;

const MS: Duration = Duration::from_millis(1);

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the tests need some instant to count from")]
fn now() -> Instant {
    Instant::now()
}

const WALL: SystemTime = SystemTime::UNIX_EPOCH;

fn two() -> (KdcList, Endpoint, Endpoint) {
    let (one, two) = (endpoint("dc1"), endpoint("dc2"));
    (KdcList::new(vec![one.clone(), two.clone()], WALL), one, two)
}

fn first(list: &KdcList, now: Instant) -> Endpoint {
    list.in_order(&Preference::NONE, now).remove(0)
}

#[test]
fn a_failed_kdc_goes_to_the_end_of_the_line_and_comes_back() {
    let (mut list, one, two) = two();
    let start = now();
    assert_eq!(list.in_order(&Preference::NONE, start), [one.clone(), two.clone()]);
    assert_eq!(list.failed(&one, start, WALL), Turn::Lost);
    assert_eq!(list.in_order(&Preference::NONE, start), [two.clone(), one.clone()]);
    assert_eq!(list.in_order(&Preference::NONE, start + FIRST_PENALTY), [one.clone(), two]);
    assert_eq!(list.answered(&one, start, WALL), Turn::Back);
    assert_eq!(first(&list, start), one);
}

#[test]
fn repeated_failures_last_longer_up_to_a_limit_and_an_answer_forgives_them() {
    let (mut list, one, two) = two();
    let mut at = now();
    let mut penalties = Vec::new();
    for _ in 0..7 {
        list.failed(&one, at, WALL);
        let seconds = (0..).find(|seconds| list.is_ready(&one, at + Duration::from_secs(*seconds))).unwrap();
        penalties.push(seconds);
        at += Duration::from_secs(seconds);
    }
    assert_eq!(penalties, [10, 20, 40, 80, 160, 300, 300]);
    list.failed(&one, at, WALL);
    assert_eq!(first(&list, at), two);
    list.answered(&one, at, WALL);
    list.failed(&one, at, WALL);
    assert!(list.is_ready(&one, at + FIRST_PENALTY));
}

#[test]
fn requests_that_fail_together_count_once_and_lasting_failure_extends_the_penalty() {
    let (mut list, one, _) = two();
    let start = now();
    assert_eq!(list.failed(&one, start, WALL), Turn::Lost);
    for _ in 0..40 {
        assert_eq!(list.failed(&one, start + 5000 * MS, WALL), Turn::Same);
    }
    assert!(!list.is_ready(&one, start + 14_999 * MS) && list.is_ready(&one, start + 15_000 * MS));
}

#[test]
fn when_all_have_failed_all_are_still_tried() {
    let (mut list, one, two) = two();
    let start = now();
    list.failed(&one, start, WALL);
    list.failed(&two, start, WALL);
    assert_eq!(list.in_order(&Preference::NONE, start), [one, two]);
}

#[test]
fn a_kdc_that_is_silent_though_asked_is_passed_over_before_anybodys_time_is_over() {
    let (mut list, one, two) = two();
    let start = now();
    list.asked(&one, start);
    list.asked(&one, start + 100 * MS);
    assert!(list.is_ready(&one, start + 499 * MS));
    assert_eq!(first(&list, start + 500 * MS), two);
    assert_eq!(list.doubtful_from(&one, start + 100 * MS), start + 500 * MS);
}

#[test]
fn a_kdc_that_answers_somebody_is_not_silent() {
    let (mut list, one, _) = two();
    let start = now();
    list.asked(&one, start);
    list.asked(&one, start + 100 * MS);
    list.forget(&one, start + 100 * MS);
    list.answered(&one, start + 400 * MS, WALL);
    assert!(list.is_ready(&one, start + 899 * MS) && !list.is_ready(&one, start + 900 * MS));
    // The first request is worth another KDC sooner or later all the same.
    list.answered(&one, start + 1900 * MS, WALL);
    assert_eq!(list.doubtful_from(&one, start), start + PATIENCE);
}

#[test]
fn a_kdc_of_which_nobody_expects_anything_is_not_silent() {
    let (mut list, one, _) = two();
    let start = now();
    list.asked(&one, start);
    list.forget(&one, start);
    assert!(list.is_ready(&one, start + 3600 * 1000 * MS));
}

#[test]
fn the_preferred_kdc_comes_first_unless_it_is_passed_over() {
    let (mut list, one, two) = two();
    let (start, near) = (now(), Preference::new("dc2", Vec::new()));
    assert_eq!(list.in_order(&near, start), [two.clone(), one.clone()]);
    list.failed(&two, start, WALL);
    assert_eq!(list.in_order(&near, start), [one, two.clone()]);
    assert_eq!(list.preferred(&near), Some(&two));
}

#[test]
fn another_list_keeps_what_is_known_of_the_kdcs_that_stay() {
    let (mut list, one, _) = two();
    let start = now();
    let later = WALL + Duration::from_secs(60);
    list.failed(&one, start, later);
    list.replace(vec![endpoint("DC1=10.0.0.1:88"), endpoint("dc3")], later);
    assert_eq!(list.in_order(&Preference::NONE, start), [endpoint("dc3"), endpoint("DC1=10.0.0.1:88")]);
    let states: Vec<_> = list.states().map(|(_, answers, since)| (answers, since)).collect();
    assert_eq!(states, [(false, later), (true, later)]);
}
