//! What is remembered of a real directory, and how soon it gives way: the directory is changed by Samba's own tools past us, and the
//! client is asked until it says so. Every age but the one that is tried is longer than any test.

use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::lab::Lab;
use integration::samba_ad::{Domain, DomainController};
use integration::wait;
use ldap_map::account::Account;
use ldap_map::cache::{Cause, Polling, Settings as CacheSettings};
use ldap_map::mapping::Sought;
use ldap_map::net::directory::{
    Directory, DirectoryError, Freshness, LdapServer, Recalled, Settings, Wanted,
};
use ldap_map::schema::UserAccountControl;
use ldap_map::upn::Upn;

use crate::bench::{Bench, start};
use crate::directory::settings;
use crate::refusals::{assert_refused, code_of, told};

const DESK1: &str = "desk1.corp.example";
const LONG: Duration = Duration::from_secs(3600);
const LIMIT: Duration = Duration::from_secs(30);
const QUICK: Polling = Polling { interval: Duration::from_millis(100), maximum_age: Duration::from_secs(5) };

fn remembering(polling: Option<Polling>) -> CacheSettings {
    CacheSettings { maximum_age: LONG, maximum_negative_age: LONG, entries: 100, polling }
}

/// A directory that remembers, and the runtime in which it looks for changes.
struct Stand {
    directory: std::sync::Arc<Directory>,
    runtime: tokio::runtime::Runtime,
}

impl Stand {
    fn new(settings: Settings, cache: CacheSettings) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let directory = std::sync::Arc::new(Directory::new(settings).unwrap().remembering(cache));
        let tended = std::sync::Arc::clone(&directory);
        runtime.spawn(async move { tended.tend().await });
        Self { directory, runtime }
    }

    fn ask(&self, upn: &str) -> Result<Recalled, DirectoryError> {
        let sought = Sought::by_name(Upn::parse(upn).unwrap());
        let wanted = Wanted::Sought(&sought);
        self.runtime.block_on(self.directory.recall(&wanted, Freshness::MayBeRemembered))
    }

    /// Asks until the account is remembered: until then no look has been before the question.
    fn learn(&self, upn: &str) -> Account {
        let known = || self.ask(upn).ok().filter(|known| known.remembered);
        wait::until("the account to be remembered", LIMIT, known).unwrap().account
    }

    /// Asks until this is true of the account.
    fn until(&self, upn: &str, what: &str, holds: impl Fn(&Account) -> bool) {
        let known = || self.ask(upn).ok().filter(|known| holds(&known.account));
        wait::until(what, LIMIT, known).unwrap();
    }

    fn dropped(&self, cause: Cause) -> u64 {
        let counts = self.directory.cache_status().unwrap().counts;
        counts.dropped.get(&cause).copied().unwrap_or_default()
    }
}

/// A directory that looks for changes ten times a second.
fn polled(lab: &Lab) -> Stand {
    Stand::new(settings(lab), remembering(Some(QUICK)))
}

/// A broker that remembers accounts for as long as any test lasts.
fn remembering_broker(lab: &Lab) -> BrokerProcess {
    start(
        &Configuration::new(lab)
            .table("[directory.cache]\nmaximum_age = \"1h\"\nmaximum_negative_age = \"1m\"\n"),
    )
}

fn is_disabled(account: &Account) -> bool {
    account.user_account_control.has(UserAccountControl::ACCOUNT_DISABLE)
}

fn is_in(account: &Account, group: &str) -> bool {
    account.groups.iter().any(|known| known.sam_account_name.as_deref() == Some(group))
}

/// Makes a person for one test.
fn hire(controller: &DomainController, name: &str) -> String {
    let password = format!("{name}-Passw0rd");
    controller.samba_tool(&["user", "create", name, &password, "--userou=CN=Users"]).unwrap();
    format!("{name}@corp.example")
}

#[test]
fn a_disabled_account_is_seen_by_the_next_look_for_changes() {
    let lab = Lab::shared().unwrap();
    let upn = hire(lab.controller(), "cora");
    let stand = polled(&lab);
    assert!(!is_disabled(&stand.learn(&upn)));
    lab.controller().samba_tool(&["user", "disable", "cora"]).unwrap();
    stand.until(&upn, "the account to be disabled", is_disabled);
    assert!(stand.dropped(Cause::Changed) + stand.dropped(Cause::GroupChanged) > 0);
    assert_eq!(stand.dropped(Cause::Aged), 0);
}

#[test]
fn a_disabled_account_is_seen_at_the_age_where_nobody_looks_for_changes() {
    let lab = Lab::shared().unwrap();
    let upn = hire(lab.controller(), "cleo");
    let ages = CacheSettings { maximum_age: Duration::from_secs(2), ..remembering(None) };
    let (short, long) = (Stand::new(settings(&lab), ages), Stand::new(settings(&lab), remembering(None)));
    short.learn(&upn);
    long.learn(&upn);
    lab.controller().samba_tool(&["user", "disable", "cleo"]).unwrap();
    short.until(&upn, "the account to be disabled", is_disabled);
    assert!(short.dropped(Cause::Aged) > 0);
    let known = long.ask(&upn).unwrap();
    assert!(known.remembered && !is_disabled(&known.account), "it is the age that made the difference");
}

#[test]
fn a_name_that_moves_to_another_account_is_the_others_after_the_next_look() {
    let lab = Lab::shared().unwrap();
    let controller = lab.controller();
    let (one, other) = (hire(controller, "cass"), hire(controller, "cyra"));
    let stand = polled(&lab);
    let before = stand.learn(&one).object_sid;
    let owner = stand.learn(&other).object_sid;
    let rename = |account: &str, upn: &str| {
        let upn = format!("--upn={upn}@corp.example");
        controller.samba_tool(&["user", "rename", account, &upn]).unwrap();
    };
    rename("cass", "cass.old");
    controller.samba_tool(&["user", "rename", "cass", "--samaccountname=cass.old"]).unwrap();
    rename("cyra", "cass");
    stand.until(&one, "the name to be the other account's", |account| account.object_sid == owner);
    assert_ne!(before, owner);
    stand.until("cass.old@corp.example", "the account to have its new name", |account| {
        account.object_sid == before
    });
}

#[test]
fn a_member_of_a_group_within_a_group_loses_both_after_the_next_look() {
    let lab = Lab::shared().unwrap();
    let controller = lab.controller();
    let upn = hire(controller, "cian");
    let run = |arguments: &[&str]| controller.samba_tool(arguments).unwrap();
    for group in ["Inner Circle", "Outer Circle"] {
        run(&["group", "add", group]);
    }
    run(&["group", "addmembers", "Inner Circle", "cian"]);
    run(&["group", "addmembers", "Outer Circle", "Inner Circle"]);
    let stand = polled(&lab);
    assert!(is_in(&stand.learn(&upn), "Outer Circle"));
    // The account's own object does not change, nor does the group that it is a member of.
    run(&["group", "removemembers", "Outer Circle", "Inner Circle"]);
    stand.until(&upn, "the outer group to be gone", |account| {
        is_in(account, "Inner Circle") && !is_in(account, "Outer Circle")
    });
    assert!(stand.dropped(Cause::GroupChanged) > 0);
}

#[test]
fn a_deleted_account_is_gone_after_the_next_look() {
    let lab = Lab::shared().unwrap();
    let upn = hire(lab.controller(), "cody");
    let stand = polled(&lab);
    stand.learn(&upn);
    lab.controller().samba_tool(&["user", "delete", "cody"]).unwrap();
    let gone = || matches!(stand.ask(&upn), Err(DirectoryError::NotFound)).then_some(());
    wait::until("the account to be gone", LIMIT, gone).unwrap();
    assert!(stand.dropped(Cause::Changed) + stand.dropped(Cause::GroupChanged) > 0);
}

#[test]
fn a_name_of_nobody_is_somebodys_after_its_age() {
    let lab = Lab::shared().unwrap();
    let ages = CacheSettings { maximum_negative_age: Duration::from_secs(2), ..remembering(None) };
    let (short, long) = (Stand::new(settings(&lab), ages), Stand::new(settings(&lab), remembering(None)));
    let upn = "curt@corp.example";
    for stand in [&short, &long] {
        assert!(matches!(stand.ask(upn), Err(DirectoryError::NotFound)));
    }
    hire(lab.controller(), "curt");
    short.until(upn, "the account to be there", |account| account.sam_account_name == "curt");
    assert!(matches!(long.ask(upn), Err(DirectoryError::NotFound)), "it is the age that made the difference");
}

#[test]
fn numbers_of_one_domain_controller_are_not_taken_for_those_of_another() {
    let domain = Domain::of_the_tests();
    let lab = Lab::with_domain_on_two_controllers("usn", domain).unwrap();
    let controllers = lab.controllers();
    let place = |controller: &DomainController| -> LdapServer {
        format!("{}={}:636", controller.name(), controller.address()).parse().unwrap()
    };
    let servers: Vec<LdapServer> = controllers.iter().map(|controller| place(controller)).collect();
    let impatient = Settings { operation_timeout: Duration::from_secs(2), ..settings(&lab) };
    let reach = Settings { servers, connect_timeout: Duration::from_secs(2), ..impatient };
    let stand = Stand::new(reach, remembering(Some(QUICK)));
    let upn = "alice@corp.example";
    stand.learn(upn);
    let first = stand.ask(upn).unwrap().server;
    assert_eq!(first.name(), controllers[0].name());

    controllers[0].freeze().unwrap();
    // The first cannot be looked at: what it said is not used for long, and the second is asked, which counts otherwise.
    let of_the_second = || {
        stand.ask(upn).ok().filter(|known| known.remembered && known.server.name() == controllers[1].name())
    };
    wait::until("the second to be remembered", LIMIT, of_the_second).unwrap();
    controllers[1].samba_tool(&["user", "disable", "alice"]).unwrap();
    stand.until(upn, "the account to be disabled", is_disabled);
    controllers[0].thaw().unwrap();
    assert!(stand.dropped(Cause::Unpolled) > 0, "{:?}", stand.directory.cache_status());
}

#[test]
fn what_was_mended_in_the_directory_counts_at_once_although_it_is_remembered() {
    let bench = Bench::shared();
    let controller = bench.lab.controller();
    let broker = remembering_broker(&bench.lab);
    let upn = hire(controller, "cleve");
    controller.samba_tool(&["group", "addmembers", "Desktop Users", "cleve"]).unwrap();
    controller.samba_tool(&["user", "disable", "cleve"]).unwrap();
    let sid = sid_of(controller, "cleve");
    let card = bench.lab.pki().card(&upn).sid(&sid).issue().unwrap();
    let log_in = || bench.log_in_at(&broker, &card, DESK1);
    assert_refused(&log_in(), "account_disabled", "resolve");
    controller.samba_tool(&["user", "enable", "cleve"]).unwrap();
    code_of(&log_in());
    // Remembered as good now; the domain controller has the last word all the same, and then the memory is worth nothing.
    controller.samba_tool(&["user", "disable", "cleve"]).unwrap();
    assert_eq!(log_in().refusal(), Some("account_disabled"));
    assert_refused(&log_in(), "account_disabled", "resolve");
}

#[test]
fn a_card_that_is_entered_into_the_directory_opens_at_once_although_its_account_is_remembered() {
    let bench = Bench::shared();
    let controller = bench.lab.controller();
    let broker = remembering_broker(&bench.lab);
    let upn = hire(controller, "calla");
    controller.samba_tool(&["group", "addmembers", "Desktop Users", "calla"]).unwrap();
    let card = bench.lab.pki().card(&upn).issue().unwrap();
    let log_in = || bench.log_in_at(&broker, &card, DESK1);
    let refused = log_in();
    assert_refused(&refused, "mapping_weak", "resolve");
    // The refusal names the value that would make it strong.
    let line = told(&broker, &refused);
    let value = line.split("X509:").nth(1).and_then(|rest| rest.split(['\\', '"']).next()).unwrap();
    let ldif = format!(
        "dn: CN=calla,CN=Users,DC=corp,DC=example\nchangetype: modify\nadd: altSecurityIdentities\n\
         altSecurityIdentities: X509:{value}\n"
    );
    controller.container().write("/run/calla.ldif", ldif.as_bytes(), "600").unwrap();
    let database = "/var/lib/samba/private/sam.ldb";
    controller.container().run(&["ldbmodify", "-H", database, "/run/calla.ldif"]).unwrap();
    code_of(&log_in());
}

#[test]
fn a_membership_that_is_remembered_opens_nothing_once_the_domain_controller_does_not_vouch_for_it() {
    let bench = Bench::shared();
    let controller = bench.lab.controller();
    let broker = remembering_broker(&bench.lab);
    let upn = hire(controller, "cosmo");
    controller.samba_tool(&["group", "addmembers", "Desktop Users", "cosmo"]).unwrap();
    let sid = sid_of(controller, "cosmo");
    let card = bench.lab.pki().card(&upn).sid(&sid).issue().unwrap();
    let log_in = || bench.log_in_at(&broker, &card, DESK1);
    code_of(&log_in());
    controller.samba_tool(&["group", "removemembers", "Desktop Users", "cosmo"]).unwrap();
    assert_eq!(log_in().refusal(), Some("membership_mismatch"));
    assert_eq!(log_in().refusal(), Some("policy_denied"), "and it was forgotten");
    controller.samba_tool(&["group", "addmembers", "Desktop Users", "cosmo"]).unwrap();
    code_of(&log_in());
}

/// The SID of an account that was made by a test.
pub(crate) fn sid_of(controller: &DomainController, account: &str) -> String {
    let told = controller.samba_tool(&["user", "show", account, "--attributes=objectSid"]).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("objectSid: "));
    line.unwrap_or_else(|| panic!("no SID: {told}")).trim().to_owned()
}
