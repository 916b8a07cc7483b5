//! Time passes as an argument; replicas and objects are made up.

use super::*;

const POLLING: Polling = Polling { interval: second(5), maximum_age: second(15) };
const SETTINGS: Settings =
    Settings { maximum_age: second(30), maximum_negative_age: second(4), entries: 3, polling: None };
const POLLED: Settings = Settings { polling: Some(POLLING), ..SETTINGS };
const DC1: u8 = 1;
const DC2: u8 = 2;

const fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn guid(octet: u8) -> Guid {
    Guid::from_bytes(&[octet; 16]).unwrap()
}

type Bench = Cache<&'static str, &'static str>;

impl Bench {
    /// Asked and answered within the same second.
    fn learn(&mut self, question: &'static str, answer: &'static str, at: u64) {
        let begun = self.begin(second(at));
        self.keep(question, begun, answer, guid(100), None);
    }

    /// The same of a replica, about an object with this number.
    fn learn_of(&mut self, question: &'static str, (replica, object, usn): (u8, u8, i64), at: u64) {
        let begun = self.begin(second(at));
        let seen = Seen { replica: guid(replica), usn };
        self.keep(question, begun, question, guid(object), Some(seen));
    }

    fn knows(&mut self, question: &'static str, at: u64) -> bool {
        matches!(self.recall(&question, second(at)), Recalled::Found(_))
    }

    /// A look at a replica that has come this far, and at which these objects have these numbers.
    fn look(&mut self, replica: u8, highest: i64, objects: &[(u8, Option<i64>)], at: u64) {
        let objects = objects.iter().map(|(object, usn)| (guid(*object), *usn)).collect();
        let look = Look { replica: guid(replica), highest, groups_changed: false, objects };
        self.settle(&look, second(at));
    }

    fn look_after_a_group_changed(&mut self, replica: u8, highest: i64, at: u64) {
        let objects = BTreeMap::new();
        self.settle(&Look { replica: guid(replica), highest, groups_changed: true, objects }, second(at));
    }

    fn dropped(&self, cause: Cause) -> u64 {
        self.counts().dropped.get(&cause).copied().unwrap_or_default()
    }
}

#[test]
fn an_answer_is_used_until_its_age_and_not_at_it() {
    let mut cache = Bench::new(SETTINGS);
    cache.learn("alice", "her account", 10);
    assert_eq!(cache.recall(&"alice", second(39)), Recalled::Found("her account"));
    assert_eq!(cache.recall(&"alice", second(40)), Recalled::Nothing);
    assert_eq!((cache.counts().hits, cache.counts().misses, cache.dropped(Cause::Aged)), (1, 1, 1));
}

#[test]
fn the_age_of_an_answer_is_counted_from_its_question() {
    let mut cache = Bench::new(SETTINGS);
    let begun = cache.begin(second(10));
    // It took twenty seconds.
    assert_eq!(cache.recall(&"alice", second(30)), Recalled::Nothing);
    cache.keep("alice", begun, "her account", guid(100), None);
    assert!(cache.knows("alice", 39) && !cache.knows("alice", 40));
}

#[test]
fn an_absence_has_an_age_of_its_own_and_an_account_takes_its_place() {
    let mut cache = Bench::new(SETTINGS);
    let begun = cache.begin(second(0));
    cache.keep_absence("nora", begun);
    assert_eq!(cache.recall(&"nora", second(3)), Recalled::Absent);
    assert_eq!(cache.recall(&"nora", second(4)), Recalled::Nothing);
    let begun = cache.begin(second(5));
    cache.keep_absence("nora", begun);
    cache.learn("nora", "made since", 6);
    assert_eq!(cache.recall(&"nora", second(6)), Recalled::Found("made since"));
    let begun = cache.begin(second(7));
    cache.keep_absence("nora", begun);
    assert_eq!(cache.recall(&"nora", second(7)), Recalled::Absent, "and the other way round");
}

#[test]
fn names_of_nobody_never_push_out_accounts_and_are_bounded_themselves() {
    let mut cache = Bench::new(SETTINGS);
    cache.learn("alice", "her account", 0);
    for name in ["a", "b", "c", "d", "e", "f"] {
        let begun = cache.begin(second(1));
        cache.keep_absence(name, begun);
    }
    assert_eq!(cache.sizes(), (1, 3));
    assert!(cache.knows("alice", 2));
    assert_eq!(cache.recall(&"c", second(2)), Recalled::Nothing, "the oldest gave way");
    assert_eq!(cache.recall(&"d", second(2)), Recalled::Absent);
}

#[test]
fn the_oldest_account_gives_way_to_a_new_one() {
    let mut cache = Bench::new(SETTINGS);
    for (second, name) in (0..).zip(["alice", "bob", "carol"]) {
        cache.learn(name, name, second);
    }
    cache.learn("alice", "again", 4);
    cache.learn("dan", "dan", 5);
    assert!(!cache.knows("bob", 6) && cache.knows("alice", 6) && cache.knows("dan", 6));
    assert_eq!((cache.sizes().0, cache.dropped(Cause::Evicted)), (3, 1));
}

#[test]
fn where_changes_are_looked_for_nothing_is_kept_of_a_replica_before_the_first_look() {
    let mut cache = Bench::new(POLLED);
    cache.learn_of("alice", (DC1, 100, 5), 0);
    assert!(!cache.knows("alice", 0));
    // Asked before the first look, answered after it: what changed between them nobody would see.
    let begun = cache.begin(second(1));
    cache.look(DC1, 50, &[], 1);
    cache.keep("alice", begun, "alice", guid(100), Some(Seen { replica: guid(DC1), usn: 5 }));
    assert!(!cache.knows("alice", 1));
    cache.learn_of("alice", (DC1, 100, 5), 2);
    assert!(cache.knows("alice", 2));
    cache.learn("bob", "of a replica that does not say who it is", 2);
    assert!(!cache.knows("bob", 2));
}

#[test]
fn an_object_that_changed_or_is_gone_is_forgotten_and_others_stay() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    cache.learn_of("alice", (DC1, 100, 5), 1);
    cache.learn_of("bob", (DC1, 101, 6), 1);
    cache.learn_of("carol", (DC1, 102, 7), 1);
    assert_eq!(cache.objects_of(&guid(DC1)), [100, 101, 102].map(guid));
    cache.look(DC1, 60, &[(100, Some(5)), (101, Some(55)), (102, None)], 5);
    assert!(cache.knows("alice", 6) && !cache.knows("bob", 6) && !cache.knows("carol", 6));
    assert_eq!(cache.dropped(Cause::Changed), 2);
}

#[test]
fn an_account_read_before_a_change_is_not_used_after_the_look_that_saw_it() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    // Read at second 1, changed at once; the one is kept while the other account is looked at, the other after it.
    let begun = cache.begin(second(1));
    let seen = Some(Seen { replica: guid(DC1), usn: 5 });
    cache.keep("alice", begun, "alice", guid(100), seen);
    cache.look(DC1, 60, &[], 2);
    assert!(!cache.knows("alice", 3), "it was not asked about");
    cache.keep("bob", begun, "bob", guid(101), seen);
    // Nothing has been committed since, so that no object is asked about.
    cache.look(DC1, 60, &[], 7);
    assert!(!cache.knows("bob", 8));
}

#[test]
fn a_changed_group_has_all_forgotten_that_its_replica_said_also_what_is_on_its_way() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    cache.look(DC2, 9000, &[], 0);
    cache.learn_of("alice", (DC1, 100, 5), 1);
    cache.learn_of("bob", (DC2, 101, 6), 1);
    let begun = cache.begin(second(4));
    cache.look_after_a_group_changed(DC1, 60, 5);
    cache.keep("carol", begun, "carol", guid(102), Some(Seen { replica: guid(DC1), usn: 7 }));
    assert!(!cache.knows("alice", 6) && cache.knows("bob", 6) && !cache.knows("carol", 6));
    assert_eq!(cache.dropped(Cause::GroupChanged), 1);
}

#[test]
fn a_number_of_one_replica_means_nothing_at_another() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    cache.learn_of("alice", (DC1, 100, 5), 1);
    // The other one has the same object by another number, and by the same.
    cache.look(DC2, 9000, &[], 2);
    cache.look(DC2, 9001, &[(100, Some(8999))], 3);
    assert!(cache.knows("alice", 4), "a look at the other says nothing of this answer");
    cache.look(DC2, 9002, &[(100, Some(5))], 10);
    assert!(cache.knows("alice", 15));
    assert!(!cache.knows("alice", 16), "nor does it keep it alive");
    assert_eq!(cache.dropped(Cause::Unpolled), 1);
}

#[test]
fn answers_are_not_used_while_their_replica_cannot_be_looked_at() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 10);
    cache.learn_of("alice", (DC1, 100, 5), 11);
    assert!(cache.knows("alice", 25), "the last look is fifteen seconds old");
    assert!(!cache.knows("alice", 26));
}

#[test]
fn a_replica_that_fell_back_was_restored_and_is_not_believed_about_before() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    cache.learn_of("alice", (DC1, 100, 5), 1);
    cache.look(DC1, 40, &[(100, Some(5))], 5);
    assert!(!cache.knows("alice", 6));
    assert_eq!(cache.dropped(Cause::ReplicaChanged), 1);
}

#[test]
fn looks_do_not_prolong_the_age() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    cache.learn_of("alice", (DC1, 100, 5), 0);
    for at in 1..=30 {
        cache.look(DC1, 50, &[], at);
    }
    assert!(cache.knows("alice", 29) && !cache.knows("alice", 30));
}

#[test]
fn an_account_is_forgotten_by_whatever_it_was_asked_for() {
    let mut cache = Bench::new(SETTINGS);
    let begun = cache.begin(second(0));
    cache.keep("her card", begun, "alice", guid(100), None);
    cache.keep("her name", begun, "alice", guid(100), None);
    cache.keep("his card", begun, "bob", guid(101), None);
    cache.forget_object(&guid(100));
    assert!(!cache.knows("her card", 1) && !cache.knows("her name", 1) && cache.knows("his card", 1));
    assert_eq!(cache.dropped(Cause::Refused), 2);
}

#[test]
fn nobody_stays_in_memory_beyond_his_time() {
    let mut cache = Bench::new(POLLED);
    cache.look(DC1, 50, &[], 0);
    cache.learn_of("alice", (DC1, 100, 5), 0);
    let begun = cache.begin(second(10));
    cache.keep_absence("nora", begun);
    cache.sweep(second(13));
    assert_eq!(cache.sizes(), (1, 1));
    cache.sweep(second(30));
    assert_eq!((cache.sizes(), cache.baseline(&guid(DC1))), ((0, 0), Some(50)));
    cache.sweep(second(31));
    assert_eq!(cache.baseline(&guid(DC1)), None, "and is looked at for the first time again");
}
