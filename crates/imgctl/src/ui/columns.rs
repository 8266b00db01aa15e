//! Text in columns.

use super::OneLine;

/// Lays `rows` out in columns, each row after `indent`, two spaces between columns. Columns where `right` says so are
/// aligned to the right. Cells are made harmless for a terminal.
pub(crate) fn columns(indent: &str, right: &[bool], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| OneLine(cell).to_string()).collect())
        .collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = indent.to_owned();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = match right.get(column) {
                Some(true) => (padding.as_str(), ""),
                _ => ("", padding.as_str()),
            };
            line.extend([before, cell, after, "  "]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let rows = [["1", "é", "x"], ["15", "long", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns("  ", &[true], &rows), "   1  é     x\n  15  long\n");
        assert_eq!(columns("", &[], &[]), "");
    }
}
