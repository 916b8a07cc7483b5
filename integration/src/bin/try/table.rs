//! A table of text for a terminal.

use std::io::Write;
use std::time::Duration;

/// Where a line of a cell is broken.
const WIDEST: usize = 92;

/// Rows of `N` columns under their headings, each column as wide as its widest cell.
pub(crate) struct Table<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Table<N> {
    pub(crate) fn new(headings: [&str; N]) -> Self {
        Self(vec![headings.map(str::to_owned)])
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.0.push(cells);
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let folded: Vec<[Vec<String>; N]> =
            self.0.iter().map(|row| row.each_ref().map(|cell| folded(cell))).collect();
        let mut widths = [0; N];
        for row in &folded {
            for (width, lines) in widths.iter_mut().zip(row) {
                let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
                *width = widest.max(*width);
            }
        }
        for row in &folded {
            let height = row.iter().map(Vec::len).max().unwrap_or(0);
            for number in 0..height {
                let cell = |lines: &Vec<String>| lines.get(number).cloned().unwrap_or_default();
                let line: Vec<String> =
                    row.iter().zip(widths).map(|(lines, width)| format!("{:width$}", cell(lines))).collect();
                writeln!(out, "  {}", line.join("  ").trim_end())?;
            }
        }
        out.flush()
    }
}

/// A time as it stands in a table.
pub(crate) fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// The lines of a cell.
fn folded(cell: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in cell.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > WIDEST {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["a", "long heading"]);
        table.row(["wide cell".to_owned(), "x".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "  a          long heading\n  wide cell  x\n");
    }

    #[test]
    fn a_long_cell_goes_on_in_the_next_line() {
        let mut table = Table::new(["text", "took"]);
        let (first, second) = ("x".repeat(WIDEST), "y".repeat(4));
        table.row([format!("{first} {second}"), "1 ms".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, [format!("  {first}  1 ms"), format!("  {second}")]);
    }
}
