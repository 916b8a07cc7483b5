//! The account of a live session is read anew: one that is disabled loses its sessions.

use super::{Site, ended, lives};
use crate::account_cache::sid_of;
use crate::bench::card_of;

#[test]
fn a_disabled_account_loses_its_sessions_and_another_account_keeps_its_own() {
    // What is remembered for long must not keep the session.
    let memory = "[directory.cache]\nmaximum_age = \"1h\"\n";
    let site = Site::new("disabled", |configuration| configuration.recheck("1s", "1h").table(memory));
    let controller = site.scene.lab().controller();
    controller.samba_tool(&["user", "create", "ines", "ines-Passw0rd", "--userou=CN=Users"]).unwrap();
    controller.samba_tool(&["group", "addmembers", "Desktop Users", "ines"]).unwrap();
    let sid = sid_of(controller, "ines");
    let ines = site.scene.lab().pki().card("ines@corp.example").sid(&sid).issue().unwrap();
    let lost = site.hold("lost", &ines);
    let kept = site.hold("kept", &card_of(site.scene.lab(), "alice").issue().unwrap());

    controller.samba_tool(&["user", "disable", "ines"]).unwrap();
    lost.stream().unwrap();
    assert_eq!(lost.asked().unwrap(), ended("account_not_usable"));
    let event = site.ending(lost.login_id());
    assert_eq!(event["cause"], "account_not_usable");
    assert!(event["detail"].as_str().is_some_and(|detail| detail.contains("userAccountControl")), "{event}");
    assert_eq!(kept.asked().unwrap(), lives());
}
