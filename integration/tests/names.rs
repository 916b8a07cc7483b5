//! Names move between accounts; a card stays its holder's.

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented, Workstation};
use integration::lab::Lab;
use integration::samba_ad::Domain;

use crate::bench::start;
use crate::refusals::{assert_refused, code_of};

const DESK1: &str = "desk1.corp.example";

/// Gives an account another user principal name, past the directory's own tools, as whoever may write the attribute can.
fn rename(lab: &Lab, account: &str, upn: &str) {
    let ldif = format!(
        "dn: CN={account},CN=Users,DC=corp,DC=example\nchangetype: modify\nreplace: userPrincipalName\n\
         userPrincipalName: {upn}@corp.example\n"
    );
    let controller = lab.controller().container();
    controller.write("/run/rename.ldif", ldif.as_bytes(), "600").unwrap();
    controller.run(&["ldbmodify", "-H", "/var/lib/samba/private/sam.ldb", "/run/rename.ldif"]).unwrap();
}

/// Two who exchange names, before a broker of this configuration, which is told what each may do then.
fn exchange(name: &str, table: &str, judge: impl FnOnce(&BrokerProcess, &Lab, [&dyn Fn() -> Answer; 2])) {
    let domain = Domain::of_the_tests();
    let lab = Lab::with_domain(name, domain.user("dan").upn("dan.smith@corp.example")).unwrap();
    let broker = start(&Configuration::new(&lab).table(table));
    let workstation = Workstation::start(&lab, name).unwrap();
    let card = |upn: &str, account: &str| {
        let sid = lab.controller().sid(account).unwrap();
        lab.pki().card(&format!("{upn}@corp.example")).sid(sid).issue().unwrap()
    };
    let (carol, dan) = (card("carol.jones", "carol"), card("dan.smith", "dan"));
    let log_in = |card| workstation.log_in(&broker, Presented::File(card), "gw1", DESK1).unwrap();
    code_of(&log_in(&carol));

    rename(&lab, "carol", "passing");
    rename(&lab, "dan", "carol.jones");
    rename(&lab, "carol", "dan.smith");
    judge(&broker, &lab, [&|| log_in(&dan), &|| log_in(&carol)]);
}

#[test]
fn two_people_who_exchange_their_names_do_not_exchange_their_sessions() {
    exchange("names", "", |_, _, [dan, carol]| {
        // Dan may open nothing, and carol's name does not help him; nor does hers open anything as his.
        assert_refused(&dan(), "mapping_mismatch", "resolve");
        assert_refused(&carol(), "mapping_mismatch", "resolve");
    });
}

#[test]
fn two_people_who_exchange_their_names_do_not_exchange_their_sessions_with_a_memory() {
    let table = "[directory.cache]\nmaximum_age = \"1h\"\n";
    exchange("names-kept", table, |broker, lab, [dan, carol]| {
        assert_refused(&dan(), "mapping_mismatch", "resolve");
        // She is remembered as the one who had the name: late, but nobody else.
        code_of(&carol());
        let sid = lab.controller().sid("carol").unwrap();
        let accounts = broker.log().into_iter().filter(|line| line.contains(" with objectSid "));
        let accounts: Vec<String> = accounts.collect();
        assert!(!accounts.is_empty() && accounts.iter().all(|line| line.contains(sid)), "{accounts:#?}");
    });
}
