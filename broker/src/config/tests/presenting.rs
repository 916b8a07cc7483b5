//! Which gateways may present certificates.

use crate::config::Warning;
use crate::config::testing::{COMPLETE, Written};

fn with(keys: &str) -> String {
    let known = "dns_name = \"gw1.corp.example\"\n";
    assert!(COMPLETE.contains(known));
    COMPLETE.replace(known, &format!("{known}{keys}"))
}

#[test]
fn presenting_without_proof_is_warned_of_and_needs_the_right_to_present() {
    let written = Written::new();
    let warned = |keys: &str| {
        written.configuration(&with(keys));
        let config = written.loaded().unwrap();
        let warned = config
            .warnings
            .iter()
            .any(|warning| matches!(warning, Warning::PresentsWithoutProof { gateway } if gateway == "gw1"));
        (warned, format!("{:?}", config.gateway_api.gateways))
    };
    let (without, gateways) = warned("");
    assert!(!without && !gateways.contains("Proof"), "{gateways}");
    let (with_proof, gateways) = warned("may_present = true\n");
    assert!(!with_proof && gateways.contains("WithProof"), "{gateways}");
    let (without_proof, gateways) = warned("may_present = true\nmay_present_without_proof = true\n");
    assert!(without_proof && gateways.contains("WithoutProof"), "{gateways}");
    for keys in
        ["may_present_without_proof = true\n", "may_present = false\nmay_present_without_proof = true\n"]
    {
        written.configuration(&with(keys));
        let problems = written.problems();
        assert!(problems[0].contains("gateway[1].may_present_without_proof: "), "{problems:#?}");
    }
}
