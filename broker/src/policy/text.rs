//! The text of a policy file, cut into its policies and bounded before it is parsed.
//!
//! Cedar's parser descends as deep as a text nests, without looking at the stack. What nests too deep is therefore refused here. Where
//! this cut and Cedar's grammar disagree, a piece is not one policy, and Cedar refuses it.

/// Most octets of one file.
pub const MAXIMUM_FILE: usize = 1 << 20;
/// Deepest nesting of brackets.
const MAXIMUM_DEPTH: usize = 24;
/// Most operators, clauses and keywords of one policy that put one expression into another. The members of a set do not count.
const MAXIMUM_OPERATORS: usize = 160;

/// One policy's text, and where it begins in its file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Piece<'a> {
    /// From its first word to its semicolon.
    pub(super) text: &'a str,
    /// In octets from the beginning of the file.
    pub(super) offset: usize,
}

/// Why a text is not even looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Too many octets.
    #[error("the file is longer than {MAXIMUM_FILE} octets")]
    TooLong,
    /// Too many brackets within each other.
    #[error("brackets nest deeper than {MAXIMUM_DEPTH}")]
    TooDeep,
    /// Too many operators.
    #[error(
        "the policy has more than {MAXIMUM_OPERATORS} operators; put what is compared with into a set, or make two policies of it"
    )]
    TooMany,
}

/// Cuts a file into its policies.
///
/// # Errors
/// [`TextError`], and where it stands.
pub(super) fn split(text: &str) -> Result<Vec<Piece<'_>>, (usize, TextError)> {
    if text.len() > MAXIMUM_FILE {
        return Err((0, TextError::TooLong));
    }
    let mut pieces = Vec::new();
    let mut cut = Cut::default();
    let mut rest = text.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        match letter {
            '/' if rest.peek().is_some_and(|(_, next)| *next == '/') => {
                while rest.next_if(|(_, letter)| !matches!(letter, '\n' | '\r')).is_some() {}
                continue;
            }
            letter if letter.is_whitespace() => continue,
            _ => {}
        }
        let start = *cut.start.get_or_insert(at);
        match letter {
            '"' => {
                let mut is_escaped = false;
                while let Some((_, letter)) = rest.next_if(|(_, letter)| is_escaped || *letter != '"') {
                    is_escaped = letter == '\\' && !is_escaped;
                }
                // The closing one.
                let _closing = rest.next();
            }
            '(' | '[' | '{' => {
                cut.depth = cut.depth.saturating_add(1);
                cut.operators = cut.operators.saturating_add(usize::from(letter == '{'));
            }
            ')' | ']' | '}' => cut.depth = cut.depth.saturating_sub(1),
            '&' | '|' | '+' | '-' | '*' | '.' | '!' | '<' | '>' | '=' => {
                cut.operators = cut.operators.saturating_add(1);
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let mut end = at;
                while let Some((place, _)) =
                    rest.next_if(|(_, letter)| letter.is_ascii_alphanumeric() || *letter == '_')
                {
                    end = place;
                }
                let word = text.get(at..=end).unwrap_or_default();
                let nests = matches!(word, "if" | "then" | "else" | "has" | "like" | "in" | "is");
                cut.operators = cut.operators.saturating_add(usize::from(nests));
            }
            ';' if cut.depth == 0 => {
                let text = text.get(start..=at).unwrap_or_default();
                pieces.push(Piece { text, offset: start });
                cut = Cut::default();
            }
            _ => {}
        }
        cut.check().map_err(|error| (at, error))?;
    }
    if let Some(start) = cut.start {
        pieces.push(Piece { text: text.get(start..).unwrap_or_default(), offset: start });
    }
    Ok(pieces)
}

/// What is known of the policy that is being read.
#[derive(Default)]
struct Cut {
    start: Option<usize>,
    depth: usize,
    operators: usize,
}

impl Cut {
    fn check(&self) -> Result<(), TextError> {
        if self.depth > MAXIMUM_DEPTH {
            return Err(TextError::TooDeep);
        }
        if self.operators > MAXIMUM_OPERATORS { Err(TextError::TooMany) } else { Ok(()) }
    }
}

/// Line and column, from 1, of an octet of a text; the column in characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = (0..=offset.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_the_semicolons_between_policies() {
        let text = "// one; two\n@id(\"a;b\")\npermit(principal, action, resource);\n\n  forbid(principal, action, resource) when { \"\\\";\" == \"x\" };\n// the end";
        let texts: Vec<_> =
            split(text).expect("two").into_iter().map(|piece| (piece.offset, piece.text)).collect();
        assert_eq!(
            texts,
            [
                (12, "@id(\"a;b\")\npermit(principal, action, resource);"),
                (63, "forbid(principal, action, resource) when { \"\\\";\" == \"x\" };"),
            ]
        );
    }

    #[test]
    fn what_follows_the_last_semicolon_is_a_piece_too() {
        assert_eq!(split("permit").expect("one"), [Piece { text: "permit", offset: 0 }]);
        assert_eq!(split(" // nothing\n").expect("none"), []);
    }

    #[test]
    fn a_text_that_nests_too_deep_is_refused_where_it_does() {
        let deep = |depth: usize| format!("permit{}{};", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(split(&deep(MAXIMUM_DEPTH)).map(|pieces| pieces.len()), Ok(1));
        assert_eq!(split(&deep(MAXIMUM_DEPTH + 1)), Err((6 + MAXIMUM_DEPTH, TextError::TooDeep)));
        for chain in ["&& true", ".a", "if a then b else ", "!", "unless{true}", "has a "] {
            let text = format!("permit {}", chain.repeat(MAXIMUM_OPERATORS + 1));
            assert!(matches!(split(&text), Err((_, TextError::TooMany))), "{chain}");
        }
        let set = format!("permit [{}];", "Group::\"a\", ".repeat(10_000));
        assert_eq!(split(&set).map(|pieces| pieces.len()), Ok(1));
    }

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "a\nb\u{e9}c";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 5), (2, 3));
        assert_eq!(line_and_column(text, 99), (2, 4));
    }
}
