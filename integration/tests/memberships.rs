//! What the directory and the KDC each say of a person's groups. The broker permits by groups that both name, so every kind of
//! group that a rule can name must be one that both do.

use std::collections::BTreeSet;

use integration::lab::Lab;

use crate::directory::lookup;
use crate::kerberos::{by_keytab, person};

const GLOBAL: &str = "Global Staff";
const LOCAL: &str = "Local Staff";
const UNIVERSAL: &str = "Universal Staff";
const NESTING: &str = "Local Nesting Staff";
const BUILTIN: &str = "Remote Desktop Users";

/// nina, in one group of each kind, and in one by way of another.
fn nina(lab: &Lab) {
    let run = |arguments: &[&str]| lab.controller().samba_tool(arguments).unwrap();
    run(&["user", "create", "nina", "nina-Passw0rd", "--userou=CN=Users"]);
    for (name, scope) in
        [(GLOBAL, "Global"), (LOCAL, "Domain"), (UNIVERSAL, "Universal"), (NESTING, "Domain")]
    {
        run(&["group", "add", name, &format!("--group-scope={scope}")]);
    }
    for group in [GLOBAL, LOCAL, UNIVERSAL, BUILTIN] {
        run(&["group", "addmembers", group, "nina"]);
    }
    run(&["group", "addmembers", NESTING, GLOBAL]);
}

#[tokio::test]
async fn every_group_of_the_domain_that_the_directory_names_is_in_the_pac() {
    let lab = Lab::shared().unwrap();
    nina(&lab);
    let account = lookup(&lab, "nina@corp.example").await.unwrap();
    let evidence = by_keytab(&lab).s4u2self(&person("nina")).await.unwrap();
    let vouched: BTreeSet<_> = evidence.pac().group_sids().map(ToString::to_string).collect();

    let (of_the_domain, others): (Vec<_>, Vec<_>) =
        account.groups.iter().partition(|group| group.sid.to_string().starts_with("S-1-5-21-"));
    let name = |name: &str| Some(name.to_owned());
    for expected in [GLOBAL, LOCAL, UNIVERSAL, NESTING, "Domain Users"].map(name) {
        assert!(of_the_domain.iter().any(|group| group.sam_account_name == expected), "{of_the_domain:?}");
    }
    for group in of_the_domain {
        assert!(vouched.contains(&group.sid.to_string()), "{group:?} is not in the PAC: {vouched:?}");
    }
    // The computers' own groups are what no PAC names.
    assert!(others.iter().any(|group| group.sam_account_name == name(BUILTIN)), "{others:?}");
    for group in others {
        assert!(!vouched.contains(&group.sid.to_string()), "{group:?} is in the PAC: {vouched:?}");
    }
}
