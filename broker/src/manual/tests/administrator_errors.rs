//! The manual's page of errors that an administrator can act on is what the table says today.
//!
//! `UPDATE_GENERATED=1 cargo test -p broker --lib administrator_errors` writes it anew.

use std::fmt::Write as _;

use crate::tickets::advice::cause::{Account, Cause};
use crate::tickets::advice::command::{For, Names};

const PREFACE: &str = "\
# Errors that an administrator can act on

When the domain gives no ticket, the broker asks the directory what is missing, within the time the login has left; the refusal
stands in any case. The log then has, beside the line of the refusal, a line for each cause: `cause` (the identifier below, which
does not change), `certainty`, `account`, `attribute`, and the commands that mend it, `windows` and `samba`, with the names
filled in. `confirmed` means that the directory says so. `possible` means that the directory could not be read, or cannot tell;
then every cause that fits is listed, the most probable first. Gateways get the same in the details of their gRPC status:
`cause` in `google.rpc.ErrorInfo`, and a violation of `google.rpc.PreconditionFailure` for each cause. The person with the card
is told in plain words only.

The commands for Windows are for PowerShell with the tools for Active Directory; scripts are those of `deploy/ad`. The commands
for Samba are for a root shell on a domain controller. Names in capital letters stand for those of the case. Look at a command
before you run it: what it says of delegation or of protection may be as it is on purpose.

A refusal's Kerbridge code (`delegation_refused`, `account_disabled`, ...) says who must act; the cause says what to do.

";

fn page() -> String {
    let mut page = PREFACE.to_owned();
    page.push_str("| Cause | Shows itself as | The directory says |\n|---|---|---|\n");
    for cause in Cause::ALL {
        let row = cause.row();
        let signs: Vec<String> = row.signs.iter().map(ToString::to_string).collect();
        let signs = match (cause, signs.as_slice()) {
            (Cause::NotReplicated, _) => "any refusal, though nothing is missing".to_owned(),
            (_, []) => "any other refusal".to_owned(),
            (_, signs) => signs.join("; "),
        };
        writeln!(page, "| [`{}`](#{}) | {signs} | {} |", row.id, anchor(row.id), row.says)
            .expect("a String takes all");
    }
    let unknown = Names::default();
    for cause in Cause::ALL {
        let row = cause.row();
        let whose = match row.account {
            Account::Own => "the broker's account",
            Account::Target => "the target's account",
            Account::User => "the person's account",
            Account::Domain => "the domain controllers, or this machine",
        };
        let attribute =
            if row.attribute.is_empty() { String::new() } else { format!(", attribute `{}`", row.attribute) };
        let (windows, samba) =
            (unknown.fill(row.windows, For::PowerShell), unknown.fill(row.samba, For::Shell));
        write!(
            page,
            "\n## {}\n\n{}.\n\nTo be changed: {whose}{attribute}.\n\nWindows:\n\n```text\n{windows}\n```\n\nSamba:\n\n```text\n{samba}\n```\n",
            row.id,
            capital(&unknown.fill(row.failed, For::Text)),
        )
        .expect("a String takes all");
    }
    page
}

/// As rustdoc makes it of a heading.
fn anchor(id: &str) -> String {
    id.replace('.', "")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn the_page_of_administrator_errors_is_made_from_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual/administrator_errors.md");
    let fresh = page();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &fresh).expect("the manual is writable");
    }
    let kept = std::fs::read_to_string(&path).expect("the page is there");
    assert!(kept == fresh, "{} is stale: see this file's first lines", path.display());
}

#[test]
fn every_cause_has_its_place_in_the_page() {
    let page = page();
    for cause in Cause::ALL {
        assert!(page.contains(&format!("\n## {}\n", cause.id())), "{cause}");
    }
}
