//! Two KDC proxies before one domain controller are sent the same requests. The manual has what each answers, and why they differ.

use std::collections::BTreeMap;

use super::judges::Judges;
use super::material::Material;
use super::requests;
use super::wire::Server;

const TABLE: &str = include_str!("../../../broker/src/manual/kdc_proxy_differences.md");

/// What the manual says of a request.
#[derive(Debug, Eq, PartialEq)]
enum Row<'a> {
    Alike(&'a str),
    Differing { ours: &'a str, theirs: &'a str, reason: &'a str },
}

fn table() -> BTreeMap<&'static str, Row<'static>> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let (name, row) = match *cells {
            ["request", ..] => continue,
            [name, both] => (name, Row::Alike(both)),
            [name, ours, theirs, reason] => (name, Row::Differing { ours, theirs, reason }),
            _ => panic!("a row of another form: {line}"),
        };
        assert!(rows.insert(name, row).is_none(), "{name} stands there twice");
    }
    rows
}

/// The row that would be right, as it is written.
fn written(name: &str, ours: &str, theirs: &str, said: Option<&Row<'_>>) -> String {
    if ours == theirs {
        return format!("| {name} | `{ours}` |");
    }
    let reason = match said {
        Some(Row::Differing { reason, .. }) => reason,
        _ => "?",
    };
    format!("| {name} | `{ours}` | `{theirs}` | {reason} |")
}

#[tokio::test]
async fn two_kdc_proxies_answer_alike_or_differ_as_the_manual_says() {
    let judges = Judges::shared();
    let root = judges.lab.pki().machine_root_der();
    let ours = Server::new("broker.corp.example", judges.edge_socket, root);
    let theirs = Server::new(integration::kdcproxy::KDCPROXY_NAME, judges.kdcproxy.socket(), root);
    let [for_ours, for_theirs] = Material::gather(&judges).await.map(|material| requests::all(&material));
    let mut said = table();
    let (mut wrong, mut differing) = (Vec::new(), 0);
    let total = for_ours.len();
    for ((name, to_ours), (_, to_theirs)) in for_ours.into_iter().zip(for_theirs) {
        let (ours, theirs) = (ours.outcome(&to_ours), theirs.outcome(&to_theirs));
        differing += usize::from(ours != theirs);
        let row = said.remove(name);
        let right = match &row {
            Some(Row::Alike(both)) => *both == ours && *both == theirs,
            Some(Row::Differing { ours: a, theirs: b, reason }) => {
                *a == ours && *b == theirs && a != b && reason.len() > 1
            }
            None => false,
        };
        if !right {
            wrong.push(written(name, &ours, &theirs, row.as_ref()));
        }
    }
    println!("{total} requests, {differing} answered differently");
    assert!(wrong.is_empty(), "the manual does not say:\n{}\n", wrong.join("\n"));
    assert!(said.is_empty(), "the manual speaks of requests that are not made: {said:?}");
    assert!(total >= 60);
}
